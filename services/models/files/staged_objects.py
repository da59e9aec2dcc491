"""Staged content: it comes in parts, by its SHA-256, before it has a path; a commit copies it to where it belongs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from services.models.files.parts import Sent, join_parts, part_size
from services.models.presigned_urls import LIFETIME
from services.models.tables import StagedObject, connected
from shared.errors import NotFound
from shared.s3.bucket import Bucket

FOLDER = "uploads"
"""Of the bucket; no model lies below it."""

_NAMES_AT_ONCE = 500


def stage(bucket: Bucket, model_id: int, sha256: str, size: int) -> StagedObject:
    """Return the row of a model's staged content, whole or not; what is not there yet begins.

    An interrupted upload goes on under the row that it has. Raises Unavailable.
    """
    row = _find_extended(model_id, sha256, size)
    if row is not None:
        return row
    # Each model's own: nobody learns by a checksum what others have, nor is given what they only say they sent.
    key = f"{FOLDER}/{model_id}/{sha256}"
    return _insert(
        model_id=model_id,
        sha256=sha256,
        size=size,
        part_size=part_size(size),
        key=key,
        store_id=bucket.begin_upload(key),
    )


@connected
def _find_extended(model_id: int, sha256: str, size: int) -> StagedObject | None:
    now = datetime.now(UTC)
    same = (StagedObject.model_id == model_id) & (StagedObject.sha256 == sha256) & (StagedObject.size == size)
    query = StagedObject.select().where(same, StagedObject.expires_at > now)
    row: StagedObject | None = query.order_by(StagedObject.etag.is_null(), StagedObject.id.desc()).first()
    if row is not None:
        row.expires_at = now + LIFETIME
        row.save()
    return row


@connected
def _insert(**columns: object) -> StagedObject:
    return StagedObject.create(expires_at=datetime.now(UTC) + LIFETIME, **columns)


def complete_staged(bucket: Bucket, model_id: int, staged_id: int, sent: Sent) -> None:
    """Make the parts the content; idempotent. Raises NotFound and what ``join_parts`` raises."""
    row = _get(model_id, staged_id)
    if row.etag is None:
        _record(row, join_parts(bucket, row, sent))


@connected
def _get(model_id: int, staged_id: int) -> StagedObject:
    known = (StagedObject.id == staged_id) & (StagedObject.model_id == model_id)
    row: StagedObject | None = StagedObject.get_or_none(known & (StagedObject.expires_at > datetime.now(UTC)))
    if row is None:
        raise NotFound(f"There is no upload {staged_id}.")
    return row


@connected
def _record(row: StagedObject, etag: str) -> None:
    row.etag, row.expires_at = etag, datetime.now(UTC) + LIFETIME
    row.save()


@connected
def find_staged(model_id: int, sha256s: Iterable[str]) -> dict[str, StagedObject]:
    """Return the whole ones among a model's staged contents, by SHA-256."""
    wanted = sorted(set(sha256s))
    found: dict[str, StagedObject] = {}
    for start in range(0, len(wanted), _NAMES_AT_ONCE):
        some = StagedObject.sha256.in_(wanted[start : start + _NAMES_AT_ONCE])
        query = StagedObject.select().where(StagedObject.model_id == model_id, some, StagedObject.etag.is_null(False))
        found |= {row.sha256: row for row in query.order_by(StagedObject.id)}
    return found


@connected
def find_expired(now: datetime, limit: int) -> list[StagedObject]:
    """Return staged contents that no commit has taken in time."""
    query = StagedObject.select().where(StagedObject.expires_at <= now)
    return list(query.order_by(StagedObject.expires_at).limit(limit))


def drop_staged(bucket: Bucket, row: StagedObject) -> None:
    """Delete staged content, or what came of it, and its row. Raises Unavailable."""
    if row.etag is None:
        bucket.abort_upload(row.key, row.store_id)
    elif _is_last(row):
        bucket.remove(row.key)
    _forget(row)


@connected
def _is_last(row: StagedObject) -> bool:
    return not StagedObject.select().where(StagedObject.key == row.key, StagedObject.id != row.id).exists()


@connected
def _forget(row: StagedObject) -> None:
    StagedObject.delete().where(StagedObject.id == row.id, StagedObject.expires_at == row.expires_at).execute()
