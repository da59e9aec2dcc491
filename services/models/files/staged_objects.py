"""Staged content: it comes in parts, by its SHA-256, before it has a path; a commit puts it where it belongs.

That is a copy within the store; or, of a new file whose path was announced, no more than that its parts are put
together there.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from services.models.files.parts import Sent, check_parts, extend, find_upload, forget, join_parts, part_size
from services.models.presigned_urls import LIFETIME
from services.models.tables import StagedObject, connected
from shared.database.queries import slices
from shared.errors import Conflict
from shared.s3.bucket import Bucket

FOLDER = "uploads"
"""Of the bucket; no model lies below it."""

_WHOLE = StagedObject.etag.is_null(False) | StagedObject.parts.is_null(False)


def stage(bucket: Bucket, model_id: int, sha256: str, size: int, place: str | None = None) -> StagedObject:
    """Return the row of a model's staged content, whole or not; what is not there yet begins.

    ``place`` is the key that it will probably have. An interrupted upload goes on under the row that it has. Raises
    Unavailable.
    """
    row = _find(model_id, sha256, size)
    if row is not None:
        extend(row)
        return row
    # Each model's own: nobody learns by a checksum what others have, nor is given what they only say they sent.
    key = place or staging_key(model_id, sha256)
    return _insert(
        model_id=model_id,
        sha256=sha256,
        size=size,
        part_size=part_size(size),
        key=key,
        store_id=bucket.begin_upload(key),
    )


def staging_key(model_id: int, sha256: str) -> str:
    """Return the key of content whose place is not known yet."""
    return f"{FOLDER}/{model_id}/{sha256}"


@connected
def _find(model_id: int, sha256: str, size: int) -> StagedObject | None:
    same = (StagedObject.model_id == model_id) & (StagedObject.sha256 == sha256) & (StagedObject.size == size)
    query = StagedObject.select().where(same, StagedObject.expires_at > datetime.now(UTC))
    row: StagedObject | None = query.order_by(~_WHOLE, StagedObject.id.desc()).first()
    return row


@connected
def _insert(**columns: object) -> StagedObject:
    return StagedObject.create(expires_at=datetime.now(UTC) + LIFETIME, **columns)


def complete_staged(bucket: Bucket, model_id: int, staged_id: int, sent: Sent) -> None:
    """Make the parts the content; idempotent. Raises NotFound and what ``join_parts`` raises."""
    row = find_upload(StagedObject, model_id, staged_id)
    if row.is_whole:
        return
    if row.key == staging_key(model_id, row.sha256):
        extend(row, etag=join_parts(bucket, row, sent))
    else:
        check_parts(bucket, row, sent)
        extend(row, parts=sent)


def move_to_staging(bucket: Bucket, row: StagedObject) -> None:
    """Take content away from a place that turned out not to be its own; Conflict where another object has that."""
    wrong, key = row.key, staging_key(row.model_id, row.sha256)
    if bucket.has(wrong):
        forget(row)
        raise Conflict(f"{wrong} was written by another request meanwhile; push again.", retry_after=1)
    etag = bucket.copy(wrong, key, size=row.size, etag=join_parts(bucket, row, row.parts))
    bucket.remove(wrong)
    extend(row, key=key, etag=etag, parts=None)


@connected
def find_staged(model_id: int, sha256s: Iterable[str]) -> dict[str, StagedObject]:
    """Return the whole ones among a model's staged contents, by SHA-256."""
    found: dict[str, StagedObject] = {}
    for some in slices(sorted(set(sha256s))):
        query = StagedObject.select().where(StagedObject.model_id == model_id, StagedObject.sha256.in_(some), _WHOLE)
        found |= {row.sha256: row for row in query.order_by(StagedObject.id)}
    return found


def end_staged(bucket: Bucket, row: StagedObject) -> None:
    """Drop what a commit has put in its place. Raises Unavailable."""
    if row.etag is None:  # its parts are the file now, and not for an abort to delete
        forget(row)
    else:
        drop_staged(bucket, row)


def drop_staged(bucket: Bucket, row: StagedObject) -> None:
    """Delete staged content, or what came of it, and its row. Raises Unavailable."""
    if row.etag is None:
        bucket.abort_upload(row.key, row.store_id)
    elif _is_last(row):
        bucket.remove(row.key)
    forget(row)


@connected
def _is_last(row: StagedObject) -> bool:
    return not StagedObject.select().where(StagedObject.key == row.key, StagedObject.id != row.id).exists()
