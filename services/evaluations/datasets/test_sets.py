"""Test sets in the bucket `datasets`: validated while they stream in, listed, and spooled for the worker."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO

from services.evaluations.datasets.parser import PIECE_BYTES, Row, RowReader
from services.evaluations.tables import TestSet, connected, database
from shared.database.pagination import Page, paginate
from shared.errors import NotFound, Unprocessable
from shared.pacing import yield_turn
from shared.s3.bucket import Bucket, Readable
from shared.s3.errors import ObjectMissing
from shared.s3.object_paths import path_problem
from shared.s3.request_body import MAX_FILE_BYTES, RequestBody, too_large

BUCKET = "datasets"
_REMOVED = "The test set is no longer there."


class TestSetBody(RequestBody):
    """The body of a test set's upload, validated row by row."""

    piece_bytes = PIECE_BYTES
    called = "A test set"

    def __init__(self, source: Readable, declared_size: int | None) -> None:
        super().__init__(source, declared_size)
        self._sha256 = hashlib.sha256()
        self._unchecked = bytearray()
        self.reader = RowReader()

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    def _take(self, piece: bytes) -> None:
        self._sha256.update(piece)
        self._unchecked += piece
        if len(self._unchecked) >= PIECE_BYTES or not piece:
            self.reader.feed(bytes(self._unchecked))
            self._unchecked.clear()

    def _finish(self) -> None:
        self.reader.finish()


def upload(bucket: Bucket, name: str, source: Readable, declared_size: int | None) -> TestSet:
    """Store a test set under ``name``, or as its new content, and return what is known of it.

    Raises Unprocessable (the name; or the line and row that is wrong), TooLarge, BadRequest (the body breaks off)
    and Unavailable; the store then has what it had before.
    """
    _require_name(name)
    body = TestSetBody(source, declared_size)
    # Nothing is stored before its end came, and that comes only after everything was checked.
    bucket.put(name, body, content_type="application/json")
    known = {"size": body.size, "rows": body.reader.rows, "sha256": body.sha256, "labels": body.reader.labels.get()}
    return _record(name, created_at=datetime.now(UTC).replace(microsecond=0), **known)


@connected
def _record(name: str, **known: object) -> TestSet:
    with database.atomic():
        TestSet.insert(name=name, **known).on_conflict(conflict_target=[TestSet.name], update=known).execute()
        return TestSet(name=name, **known)


@connected
def list_sets(*, page: int, limit: int) -> Page:
    """Return a page of the test sets that were uploaded here, newest first."""
    return paginate(TestSet.select().order_by(TestSet.created_at.desc(), TestSet.name), page, limit)


def require_set(bucket: Bucket, path: str) -> None:
    """Raise Unprocessable unless ``path`` is that of a test set: one on record, else any object in the bucket."""
    name = name_of(path)
    if not _is_recorded(name) and not bucket.has(name):
        raise Unprocessable.field("test_set_path", f"There is no test set {path}.")


def name_of(path: str) -> str:
    """Return the name in ``datasets/<name>``, or raise Unprocessable."""
    prefix, _, name = path.partition("/")
    problem = path_problem(name) or ("Must be one segment." if "/" in name else None)
    if prefix != BUCKET or problem is not None:
        raise Unprocessable.field("test_set_path", f"Must be {BUCKET}/<name>, with a name of one segment.")
    return name


def _require_name(name: str) -> None:
    problem = path_problem(name) or ("Must be one segment, without a /." if "/" in name else None)
    if problem is not None:
        raise Unprocessable.field("name", problem)


@connected
def _is_recorded(name: str) -> bool:
    return bool(TestSet.select().where(TestSet.name == name).exists())


@dataclass(frozen=True)
class Spooled:
    """A validated copy of a test set in a temporary file, so that a run of hours holds no connection to the store."""

    file: IO[bytes]
    name: str
    etag: str
    sha256: str
    total: int
    labels: list[str] | None

    def rows(self) -> Iterator[Row]:
        """Read the rows in their order."""
        self.file.seek(0)
        reader = RowReader()
        while piece := self.file.read(PIECE_BYTES):
            yield from reader.feed(piece)
            yield_turn()
        yield from reader.finish()

    def is_current(self, bucket: Bucket) -> bool:
        """Say whether the stored object is unchanged since; NotFound or Unavailable."""
        try:
            return bucket.stat(self.name).etag == self.etag
        except ObjectMissing as error:
            raise NotFound(_REMOVED) from error


@contextmanager
def spooled(bucket: Bucket, path: str) -> Iterator[Spooled]:
    """Spool a test set for a block, validating it; raises NotFound, Unprocessable, TooLarge or Unavailable."""
    name = name_of(path)
    try:
        found = bucket.stat(name)
    except ObjectMissing as error:
        raise NotFound(_REMOVED) from error
    if found.size > MAX_FILE_BYTES:
        raise too_large(TestSetBody.called)
    with tempfile.TemporaryFile(prefix="test-set-") as file:
        sha256, reader = hashlib.sha256(), RowReader()
        for chunk in bucket.chunks(name, etag=found.etag) if found.size else ():
            file.write(chunk)
            sha256.update(chunk)
            reader.feed(chunk)
            # A store that is fast always has the next chunk, and nobody else would have a turn.
            yield_turn()
        reader.finish()
        yield Spooled(file, name, found.etag, sha256.hexdigest(), reader.rows, reader.labels.get())
