"""Aborts multipart uploads that expired: a day after they began, or after their sender last asked for URLs.

Likewise it drops what a push staged and no commit took.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

from services.models.files.announced_files import forget_announced
from services.models.files.parts import forget
from services.models.files.staged_objects import drop_staged
from services.models.presigned_urls import LIFETIME
from services.models.tables import InParts, StagedObject, Upload, connected
from shared.database.queries import tuples
from shared.s3.bucket import Bucket

_MOST_AT_ONCE = 100

log = logging.getLogger(__name__)


def expire_uploads(bucket: Bucket, now: datetime | None = None) -> None:
    """Abort expired uploads in the store and delete their rows; safe to run concurrently.

    Also aborted are open uploads older than a day that have no row: a service that was killed while a file streamed
    through it leaves one. Raises Unavailable.
    """
    now = now or datetime.now(UTC)
    for upload in _expired(Upload, now):
        bucket.abort_upload(upload.key, upload.store_id)
        forget(upload)
        log.info("Model %d: aborted the expired upload %d of %s", upload.model_id, upload.id, upload.path)
    for staged in _expired(StagedObject, now):
        drop_staged(bucket, staged)
        log.info("Model %d: dropped %s, which no commit took", staged.model_id, staged.key)
    forget_announced(now)
    known = _known_to_the_store()
    for open_upload in bucket.list_uploads():
        if open_upload.since < now - LIFETIME and open_upload.id not in known:
            bucket.abort_upload(open_upload.key, open_upload.id)
            log.info("Aborted an orphaned upload of %s", open_upload.key)


@connected
def _expired(table: type[InParts], now: datetime) -> list[Any]:
    return list(table.select().where(table.expires_at <= now).order_by(table.expires_at).limit(_MOST_AT_ONCE))


@connected
def _known_to_the_store() -> set[str]:
    of_tables = [tuples(table.select(table.store_id).where(table.etag.is_null())) for table in (Upload, StagedObject)]
    return {store_id for rows in of_tables for (store_id,) in rows}
