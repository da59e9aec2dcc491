"""Test sets in the bucket `datasets`: validated while they stream in, and listed."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, replace
from datetime import UTC, datetime

from services.evaluations.datasets.parser import PIECE_BYTES, RowReader
from services.evaluations.datasets.row_shapes import Reading
from services.evaluations.datasets.table_rows import DELIMITERS
from services.evaluations.tables import TestSet, connected, database
from shared.database.pagination import Page, paginate
from shared.database.queries import get_or_404
from shared.errors import Unprocessable
from shared.s3.bucket import Bucket, Readable
from shared.s3.object_paths import path_problem
from shared.s3.request_body import RequestBody

BUCKET = "datasets"
MEDIA_TYPES = {"csv": "text/csv", "tsv": "text/tab-separated-values"}


class TestSetBody(RequestBody):
    """The body of a test set's upload, validated row by row."""

    piece_bytes = PIECE_BYTES
    called = "A test set"

    def __init__(self, source: Readable, declared_size: int | None, reading: Reading) -> None:
        super().__init__(source, declared_size)
        self.sha256 = hashlib.sha256()
        self._unchecked = bytearray()
        self.reader = RowReader(reading)

    def _take(self, piece: bytes) -> None:
        self.sha256.update(piece)
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
    reading = replace(reading, format=reading.format or format_of(name))
    body = TestSetBody(source, declared_size, reading)
    # Nothing is stored before its end came, and that comes only after everything was checked.
    bucket.put(name, body, content_type=MEDIA_TYPES.get(reading.format or "", "application/json"))
    found = body.reader.statistics
    known = {
        "size": body.size,
        "rows": found.rows,
        "sha256": body.sha256.hexdigest(),
        "labels": found.labels,
        "classes": found.classes,
        "duplicates": found.duplicates,
        "fields": found.fields,
        "reading": asdict(reading),
    }
    return _record(name, created_at=datetime.now(UTC).replace(microsecond=0), **known)


def format_of(name: str) -> str | None:
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


def require_set(bucket: Bucket, path: str) -> TestSet | None:
    """Return the record of the test set at ``path``, None of any other object in the bucket; else Unprocessable."""
    name = name_of(path)
    recorded = find_recorded(name)
    if recorded is None and not bucket.has(name):
        raise Unprocessable.field("test_set_path", f"There is no test set {path}.")
    return recorded


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
def find_recorded(name: str) -> TestSet | None:
    """Return the record of a test set; None where there is none, or it was put into the bucket by other means."""
    return TestSet.get_or_none(TestSet.name == name)
