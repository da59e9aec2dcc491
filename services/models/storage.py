"""A model's objects in S3: listed, streamed in, removed."""

from __future__ import annotations

from shared.store import Store, Stored

BUCKET = "models"


def list_objects(store: Store, storage_path: str, *, markers: bool = False) -> list[Stored]:
    """Return the objects below ``storage_path``, sorted by the bytes of their keys.

    Left out are the empty objects that some tools leave to mark a folder (their names end in ``/``), unless
    ``markers`` asks for them.
    """
    found = (item for item in store.list(f"{storage_path}/") if markers or not _is_marker(item))
    return sorted(found, key=lambda item: item.key.encode())


def _is_marker(item: Stored) -> bool:
    return item.size == 0 and item.key.endswith("/")
