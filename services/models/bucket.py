"""The bucket of models, and a model's objects in it."""

from __future__ import annotations

from shared.s3.bucket import Bucket
from shared.s3.readable_bucket import ObjectInfo

BUCKET = "models"


def list_objects(bucket: Bucket, storage_path: str, *, markers: bool = False) -> list[ObjectInfo]:
    """Return the objects below ``storage_path``, sorted by the bytes of their keys.

    Left out are the empty objects that some tools leave to mark a folder (their names end in ``/``), unless
    ``markers`` asks for them.
    """
    found = (item for item in bucket.list(f"{storage_path}/") if markers or not _is_marker(item))
    return sorted(found, key=lambda item: item.key.encode())


def _is_marker(item: ObjectInfo) -> bool:
    return item.size == 0 and item.key.endswith("/")
