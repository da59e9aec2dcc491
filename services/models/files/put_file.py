"""Stores a streamed file and its row together, and deletes both together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from services.models.files.file_body import FileBody
from services.models.files.file_records import find_etag, forget_file, record_file, require_no_clash
from services.models.files.holds import FileHold, hold_file
from services.models.records.models import get_model
from services.models.tables import File
from shared.errors import NotFound, ServiceError
from shared.s3.bucket import Bucket, Readable
from shared.s3.errors import StoreHangs

Precondition = Callable[[str | None], None]
"""Is given the quoted etag of the file that is there, or None, and raises PreconditionFailed."""


def put_file(
    bucket: Bucket,
    model_id: int,
    path: str,
    source: Readable,
    declared_size: int | None,
    header: Callable[[str], str | None],
    precondition: Precondition | None = None,
) -> File:
    """Stream ``source`` to the store, record it and return what was stored; on any error there is neither an object
    nor a row.

    Of two uploads of one path that run side by side both succeed, and the one whose object the store kept is on
    record; where one has a precondition, the other is a Conflict. Raises what ``hold_file`` and ``FileBody`` raise,
    and Unavailable.
    """
    with _hold(model_id, path, precondition) as hold:
        body = FileBody(source, declared_size, header, hold.check)
        require_no_clash(model_id, path)
        etag = bucket.put(hold.key, body)
        try:
            record(bucket, hold, size=body.size, etag=etag, crc32=body.crc32, sha256=body.sha256)
        except StoreHangs:
            raise  # and would hang again
        except ServiceError:
            if bucket.has(hold.key, etag):
                bucket.remove(hold.key)
            raise
    return File(path=path, size=body.size, crc32=body.crc32, sha256=body.sha256, etag=etag)


@contextmanager
def _hold(model_id: int, path: str, precondition: Precondition | None) -> Iterator[FileHold]:
    """Hold the file; with a precondition, which stays true meanwhile, nobody else does."""
    with hold_file(model_id, path, exclusive=precondition is not None) as hold:
        if precondition is not None:
            precondition(find_etag(model_id, path))
        yield hold


def record(bucket: Bucket, hold: FileHold, *, etag: str, **known: Any) -> bool:
    """Record an object that was just stored, and what is ``known`` of it.

    False where another upload of the path, or its removal, came after this one, and nothing is done.
    """
    while True:
        revision = get_model(hold.model_id).revision
        if not bucket.has(hold.key, etag):
            return False
        if record_file(hold, revision, etag=etag, **known):
            return True


def remove_file(bucket: Bucket, model_id: int, path: str, precondition: Precondition | None = None) -> None:
    """Delete the object and its record; NotFound where there is neither."""
    with _hold(model_id, path, precondition) as hold:
        is_stored = bucket.has(hold.key)
        bucket.remove(hold.key)
        if not forget_file(hold) and not is_stored:
            raise NotFound(f"Model {model_id} has no file {path}.")
