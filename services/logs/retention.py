"""Retention: keys, logs and metrics of jobs that ended long ago go, a slice at a time; the jobs' records stay."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain

import gevent

from services.logs.lines.delete import delete_log, find_leftovers
from services.logs.lines.idempotency_keys import forget_expired
from services.logs.tables import Job, connected
from shared.errors import Gone
from shared.telemetry.failures import failures_logged

EVERY_S = 3600.0
FIRST_S = 60.0
REST_S = 0.1
"""After each slice of some hundred rows: those who push feel little of it."""

_PAGE = 100

log = logging.getLogger(__name__)


def sweep_for_ever(days: int | None, announce: Callable[[int], None]) -> None:
    """Delete what has expired, again each EVERY_S; any number of processes may: a log deleted twice is deleted.

    Without ``days`` logs are kept, and only expired idempotency keys and the rest of interrupted deletions go.
    """
    pause = FIRST_S
    while True:
        gevent.sleep(pause * random.uniform(0.5, 1.5))  # the workers do not all begin at once
        pause = EVERY_S
        with failures_logged(log, "expired idempotency keys are left to the next sweep"):
            forget_expired()
        with failures_logged(log, "expired logs are left to the next sweep"):
            _sweep(days, announce)


def _sweep(days: int | None, announce: Callable[[int], None]) -> None:
    expired = () if days is None else _expired(datetime.now(UTC) - timedelta(days=days))
    for job_id in chain(_leftovers(), expired):
        try:
            delete_log(job_id, rest_s=REST_S)
            log.info("the log of job %d has expired", job_id)
        except Gone:
            continue  # another process was faster
        finally:
            announce(job_id)


def _leftovers() -> Iterator[int]:
    after: int | None = 0
    while after is not None:
        left, after = find_leftovers(after)
        yield from left
        gevent.sleep(REST_S)


def _expired(ended_by: datetime) -> Iterator[int]:
    """Yield the jobs that ended by then; each is to be deleted before the next is asked for."""
    while jobs := _first_expired(ended_by):
        yield from jobs


@connected
def _first_expired(ended_by: datetime) -> list[int]:
    query = Job.select(Job.id).where(Job.completed_at < ended_by, Job.log_expired_at.is_null())
    return [job.id for job in query.order_by(Job.completed_at).limit(_PAGE)]
