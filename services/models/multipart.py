"""Uploads in parts as the store has them: begun, listed, completed, aborted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from minio.datatypes import ListMultipartUploadsResult, Part

from shared.store import ObjectMissing, Store, translated

MAX_BYTES = 5 * 2**40
"""What S3 allows an object to have."""

MAX_PARTS = 10_000
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class StoredPart:
    """A part that lies in the store; ``size`` in bytes, ``etag`` without quotes."""

    number: int
    etag: str
    size: int


@dataclass(frozen=True)
class Begun:
    """An upload that the store keeps open since ``since``."""

    key: str
    store_id: str
    since: datetime


# minio-py has these calls for its own put_object, under private names; its signatures are pinned by our requirements.


def begin(store: Store, key: str) -> str:
    """Open an upload and return the store's id of it."""
    with translated():
        return _client(store)._create_multipart_upload(store.bucket, key, {})  # type: ignore[no-any-return]


def list_parts(store: Store, key: str, store_id: str) -> list[StoredPart]:
    """Return the parts that came so far, the oldest first; ObjectMissing where the store has no such upload.

    A part that was sent twice is there once or, in SeaweedFS, as often as it was sent: there its etag picks one.
    """
    found: list[Part] = []
    marker = None
    while True:
        with translated():
            page = _client(store)._list_parts(store.bucket, key, store_id, part_number_marker=marker)
        found += page.parts
        if not page.is_truncated:
            break
        marker = page.next_part_number_marker
    found.sort(key=lambda part: part.last_modified or _LONG_AGO)
    return [StoredPart(part.part_number, part.etag, part.size or 0) for part in found]


def complete(store: Store, key: str, store_id: str, etags: list[str]) -> str:
    """Make the parts 1, 2, 3 … of these etags the object, and return its etag; ObjectMissing as in ``list_parts``."""
    return store.complete(key, store_id, [(etag, None) for etag in etags])


def abort(store: Store, key: str, store_id: str) -> None:
    """Drop an upload and its parts; one that is not there is no error."""
    try:
        with translated():
            store.client.abort_upload(store.bucket, key, store_id)
    except ObjectMissing:
        return


def list_begun(store: Store) -> Iterator[Begun]:
    """Yield what is open in the bucket: of one key the first thousand."""
    query = {"uploads": ""}
    while True:
        with translated():
            # minio-py's own call asks for encoded keys: SeaweedFS says then that it encodes them and does not, Ceph's
            # gateway does and does not say so.
            page = ListMultipartUploadsResult(_client(store)._execute("GET", store.bucket, query_params=query))
        for upload in page.uploads:
            if upload.upload_id is not None and upload.initiated_time is not None:
                yield Begun(upload.object_name, upload.upload_id, upload.initiated_time)
        if not page.is_truncated or page.next_key_marker is None:
            return
        query["key-marker"] = page.next_key_marker


def _client(store: Store) -> Any:
    return store.client
