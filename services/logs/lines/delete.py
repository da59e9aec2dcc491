"""Deletes a job's lines, and what its training reported: the log is gone at once, its rows in short slices."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import gevent

from services.logs.jobs import lock_job
from services.logs.lines.hold import log_deleted
from services.logs.lines.idempotency_keys import delete_keys
from services.logs.tables import IdempotencyKey, Job, Line, Metric, Parameter, Tag, connected, database
from shared.database.queries import update_row
from shared.pacing import yield_turn

_SLICE = 500
_LEFTOVER_PAGE = 200


def delete_log(job_id: int, *, rest_s: float = 0.0) -> None:
    """Delete a job's lines; Gone where nothing is left of them. Repeated after a failure, it goes on.

    After each slice it rests, so that those who push have their turn.
    """
    expired_at = _expire(job_id)
    deleted = False
    while _delete_some(job_id):
        deleted = True
        yield_turn()
        gevent.sleep(rest_s)
    if expired_at is not None and not deleted:
        raise log_deleted(job_id, expired_at)


@connected
def _expire(job_id: int) -> datetime | None:
    """Close the log, and return when it was closed already: from now on nobody adds a line or reads one."""
    with database.atomic():
        job = lock_job(job_id)
        expired_at: datetime | None = job.log_expired_at
        if expired_at is None:
            update_row(job, log_expired_at=datetime.now(UTC))
        return expired_at


@connected
def _delete_some(job_id: int) -> bool:
    """Delete a slice of the rows of the first table that has any; False where none has."""
    for delete in (_delete_lines, _delete_points, lambda job_id: delete_keys(job_id, _SLICE), _delete_rest):
        with database.atomic():
            if delete(job_id):
                return True
    return False


def _delete_lines(job_id: int) -> int:
    first = Line.select(Line.id).where(Line.job_id == job_id).order_by(Line.job_id, Line.id).limit(1).scalar()
    return 0 if first is None else Line.delete().where(Line.job_id == job_id, Line.id < first + _SLICE).execute()


def _delete_points(job_id: int) -> int:
    """Delete the first points of the first curve."""
    order = (Metric.job_id, Metric.source, Metric.name, Metric.step)
    first = Metric.select(*order).where(Metric.job_id == job_id).order_by(*order).first()
    if first is None:
        return 0
    curve = (Metric.job_id == job_id) & (Metric.source == first.source) & (Metric.name == first.name)
    ends = Metric.select(Metric.step).where(curve).order_by(Metric.step).offset(_SLICE).limit(1).scalar()
    return int(Metric.delete().where(curve if ends is None else curve & (Metric.step < ends)).execute())


def _delete_rest(job_id: int) -> int:
    return sum(table.delete().where(table.job_id == job_id).execute() for table in (Parameter, Tag))


@connected
def find_leftovers(after: int) -> tuple[list[int], int | None]:
    """Return which of the next deleted logs still have rows, and after which job to go on; None at the end.

    Whoever deleted them was killed.
    """
    expired = Job.select(Job.id).where(Job.id > after, Job.log_expired_at.is_null(False))
    jobs = [job.id for job in expired.order_by(Job.id).limit(_LEFTOVER_PAGE)]
    left = [job_id for job_id in jobs if any(_has_rows(table, job_id) for table in (Line, Metric, IdempotencyKey))]
    return left, jobs[-1] if len(jobs) == _LEFTOVER_PAGE else None


def _has_rows(table: Any, job_id: int) -> bool:
    return bool(table.select().where(table.job_id == job_id).exists())
