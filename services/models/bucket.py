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
    found = bucket.list(f"{storage_path}/")
    return sorted(
        (item for item in found if markers or item.size or not item.key.endswith("/")),
        key=lambda item: item.key.encode(),
    )
