"""Deletes a job's lines, and what its training reported: the log is gone at once, its rows in short slices."""

from __future__ import annotations

from datetime import UTC, datetime

from services.logs.lines.hold import log_deleted
from services.logs.tables import IdempotencyKey, Job, Line, Metric, Parameter, Tag, connected, database
from shared.database.queries import get_or_404
from shared.pacing import yield_turn

_SLICE = 2_000


def delete_log(job_id: int) -> None:
    """Delete a job's lines; Gone where nothing is left of them. Repeated after a failure, it goes on."""
    was_expired = _expire(job_id)
    deleted = False
    while _delete_some(job_id):
        deleted = True
        yield_turn()
    if was_expired and not deleted:
        raise log_deleted(job_id)


@connected
def _expire(job_id: int) -> bool:
    """Close the log, and say whether it was closed already: from now on nobody adds a line or reads one."""
    with database.atomic():
        job: Job = get_or_404(database.lock_rows(Job.select().where(Job.id == job_id)), f"job {job_id}")
        was_expired = job.log_expired_at is not None
        if not was_expired:
            job.log_expired_at = datetime.now(UTC)
            job.save()
            for table in (IdempotencyKey, Metric, Parameter, Tag):
                table.delete().where(table.job_id == job_id).execute()
        return was_expired


@connected
def _delete_some(job_id: int) -> bool:
    first = Line.select(Line.id).where(Line.job_id == job_id).order_by(Line.job_id, Line.id).limit(1).scalar()
    if first is None:
        return False
    with database.atomic():
        Line.delete().where(Line.job_id == job_id, Line.id < first + _SLICE).execute()
    return True
