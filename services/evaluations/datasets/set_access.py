"""Reads test sets back and deletes them: the record, a page of rows, the bytes as they were uploaded."""

from __future__ import annotations

from collections.abc import Generator
from itertools import islice

from services.evaluations.datasets.spooled_set import spooled
from services.evaluations.datasets.test_sets import MEDIA_TYPES, find_set
from services.evaluations.tables import Evaluation, TestSet, connected, database
from shared.database.pagination import Page
from shared.errors import Conflict, NotFound
from shared.s3.bucket import Bucket
from shared.s3.errors import ObjectMissing

_OPEN = ("pending", "running")


def page_rows(bucket: Bucket, name: str, *, page: int, limit: int) -> Page:
    """Return a page of a test set's rows; the whole set is read for it, and nothing of it is kept."""
    find_set(name)
    with spooled(bucket, f"{bucket.name}/{name}") as test_set:
        start = min((page - 1) * limit, test_set.total)
        records = [
            {"row": number, "input": row.input, "expected": row.expected, "fields": dict(row.fields)}
            for number, row in islice(enumerate(test_set.rows()), start, start + limit)
        ]
        return Page(records, test_set.total, page, limit)


def open_set(bucket: Bucket, name: str) -> tuple[Generator[bytes], int, str]:
    """Return a test set's bytes, their number and their media type; NotFound, or Unavailable."""
    record = find_set(name)
    try:
        found = bucket.stat(name)
    except ObjectMissing as error:
        raise NotFound(f"The test set {name} is no longer in the store.") from error
    kind = (record.reading or {}).get("format")
    return bucket.chunks(name, etag=found.etag), found.size, MEDIA_TYPES.get(kind or "", "application/json")


def delete_set(bucket: Bucket, name: str) -> None:
    """Delete a test set; NotFound, Conflict while an evaluation of it is pending or running."""
    _delete_record(f"{bucket.name}/{name}", name)
    bucket.remove(name)


@connected
def _delete_record(path: str, name: str) -> None:
    with database.atomic():
        used = Evaluation.select(Evaluation.id).where(Evaluation.test_set_path == path, Evaluation.status.in_(_OPEN))
        evaluation = used.order_by(Evaluation.id).limit(1).scalar()
        if evaluation is not None:
            raise Conflict(f"Evaluation {evaluation} of the test set {name} is not over.")
        if not TestSet.delete().where(TestSet.name == name).execute():
            raise NotFound(f"There is no test set {name}.")
