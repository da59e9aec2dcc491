"""Expires idempotency keys, seven days after their job's end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import gevent

from services.logs.tables import IdempotencyKey, Job, connected, database

KEPT = timedelta(days=7)

_SLICE = 1_000
_REST_S = 0.1
"""Few keys at a time and a rest in between: SQLite has one writer, and kernels wait for it."""


def forget_expired() -> None:
    """Delete the expired keys, a slice at a time."""
    while forget_some():
        gevent.sleep(_REST_S)


@connected
def forget_some(now: datetime | None = None) -> bool:
    """Delete a slice of the expired keys in one transaction; False where there is none."""
    ended_by = (now or datetime.now(UTC)) - KEPT
    with database.atomic():
        query = Job.select(Job.id).where(Job.has_keys, Job.completed_at < ended_by).order_by(Job.completed_at)
        job_id = query.limit(1).scalar()
        if job_id is None:
            return False
        if not delete_keys(job_id):
            Job.update(has_keys=False).where(Job.id == job_id).execute()
        return True


def delete_keys(job_id: int, most: int = _SLICE) -> int:
    """Delete so many of a job's keys, at most, in the transaction that this is called in; return how many."""
    of_job = IdempotencyKey.job_id == job_id
    some = IdempotencyKey.select(IdempotencyKey.key).where(of_job).order_by(IdempotencyKey.key).limit(most)
    return int(IdempotencyKey.delete().where(of_job, IdempotencyKey.key.in_(some)).execute())
