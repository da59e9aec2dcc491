"""Expires idempotency keys, seven days after their job's end."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import gevent

from services.logs.tables import IdempotencyKey, Job, connected, database
from shared.errors import Unavailable

KEPT = timedelta(days=7)

_SLICE = 1_000
_REST_S = 0.1
"""Few keys at a time and a rest in between: SQLite has one writer, and kernels wait for it."""

log = logging.getLogger(__name__)


class KeySweep:
    """Sweeps expired keys in the background, one sweep at a time in a process; triggered whenever a job changes."""

    def __init__(self) -> None:
        self._sweeping = False

    def begin(self) -> None:
        """Start a sweep unless one is under way."""
        if not self._sweeping:
            self._sweeping = True
            gevent.spawn(self._sweep)

    def _sweep(self) -> None:
        try:
            while forget_some():
                gevent.sleep(_REST_S)
        except Unavailable as error:
            log.warning("expired idempotency keys are left to the next sweep: %s", error.message)
        finally:
            self._sweeping = False


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
