"""Test sets in the bucket `datasets`: validated while they stream in, listed, and spooled for the worker."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import IO

from services.evaluations.datasets.parser import PIECE_BYTES, RowReader
from services.evaluations.datasets.row_shapes import Reading, Row
from services.evaluations.datasets.set_statistics import SetStatistics
from services.evaluations.datasets.table_rows import DELIMITERS
from services.evaluations.tables import TestSet, connected, database
from shared.database.pagination import Page, paginate
from shared.database.queries import get_or_404
from shared.errors import NotFound, Unprocessable
from shared.pacing import yield_turn
from shared.s3.bucket import Bucket, Readable
from shared.s3.errors import ObjectMissing
from shared.s3.object_paths import path_problem
from shared.s3.request_body import MAX_FILE_BYTES, RequestBody, too_large

BUCKET = "datasets"
MEDIA_TYPES = {"csv": "text/csv", "tsv": "text/tab-separated-values"}
_REMOVED = "The test set is no longer there."


class TestSetBody(RequestBody):
    """The body of a test set's upload, validated row by row."""

    piece_bytes = PIECE_BYTES
    called = "A test set"

    def __init__(self, source: Readable, declared_size: int | None, reading: Reading) -> None:
        super().__init__(source, declared_size)
        self._sha256 = hashlib.sha256()
        self._unchecked = bytearray()
        self.reader = RowReader(reading)

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


def upload(
    bucket: Bucket, name: str, source: Readable, declared_size: int | None, reading: Reading = Reading()
) -> TestSet:
    """Store a test set under ``name``, or as its new content, and return what is known of it.

    Raises Unprocessable (the name; or the line and row that is wrong), TooLarge, BadRequest (the body breaks off)
    and Unavailable; the store then has what it had before.
    """
    _require_name(name)
    reading = replace(reading, format=reading.format or _format_of(name))
    body = TestSetBody(source, declared_size, reading)
    # Nothing is stored before its end came, and that comes only after everything was checked.
    bucket.put(name, body, content_type=MEDIA_TYPES.get(reading.format or "", "application/json"))
    found = body.reader.statistics
    known = {
        "size": body.size,
        "rows": found.rows,
        "sha256": body.sha256,
        "labels": found.labels,
        "classes": found.classes,
        "duplicates": found.duplicates,
        "fields": found.fields,
        "reading": reading.known(),
    }
    return _record(name, created_at=datetime.now(UTC).replace(microsecond=0), **known)


def _format_of(name: str) -> str | None:
    ending = name.rpartition(".")[2].lower()
    return ending if ending in DELIMITERS else None


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
def find_set(name: str) -> TestSet:
    """Return the record of an uploaded test set, or raise NotFound."""
    test_set: TestSet = get_or_404(TestSet.select().where(TestSet.name == name), f"test set {name}")
    return test_set


@connected
def known_fields(path: str) -> list[str] | None:
    """Return the names of the fields of an uploaded set's rows; None where they are not known."""
    recorded = TestSet.get_or_none(TestSet.name == name_of(path))
    fields: list[str] | None = None if recorded is None else recorded.fields
    return fields


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
    statistics: SetStatistics
    reading: Reading

    @property
    def labels(self) -> list[str] | None:
        return self.statistics.labels

    def rows(self) -> Iterator[Row]:
        """Read the rows in their order."""
        self.file.seek(0)
        reader = RowReader(self.reading)
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


@connected
def _find_reading(name: str) -> Reading:
    """Return how an uploaded set is read; one that was put into the bucket by other means, by its name."""
    recorded = TestSet.get_or_none(TestSet.name == name)
    known = recorded.reading if recorded is not None else None
    return Reading(**known) if known else Reading(_format_of(name))


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
    reading = _find_reading(name)
    with tempfile.TemporaryFile(prefix="test-set-") as file:
        sha256, reader = hashlib.sha256(), RowReader(reading)
        for chunk in bucket.chunks(name, etag=found.etag) if found.size else ():
            file.write(chunk)
            sha256.update(chunk)
            reader.feed(chunk)
            # A store that is fast always has the next chunk, and nobody else would have a turn.
            yield_turn()
        reader.finish()
        yield Spooled(file, name, found.etag, sha256.hexdigest(), reader.rows, reader.statistics, reading)
