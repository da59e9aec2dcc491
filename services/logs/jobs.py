"""Jobs: created, claimed by a kernel, ended once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from services.logs.tables import Job, connected, database
from shared.database.pagination import Page, paginate
from shared.database.queries import get_or_404, update_row
from shared.database.request_keys import create_once
from shared.errors import Conflict, Unprocessable
from shared.request_key import RequestKey

STATUSES = ("pending", "running", "completed", "failed", "cancelled")
TERMINAL = frozenset({"completed", "failed", "cancelled"})

_TRANSITIONS = {"pending": {"running", "failed", "cancelled"}, "running": TERMINAL}


@connected
def create_job(
    sent: RequestKey | None, *, dataset_id: int | None, name: str | None, configuration: dict[str, Any]
) -> tuple[Job, bool]:
    """Store a pending job, or return the one that the same request stored before, and say which."""
    return create_once(
        Job,
        sent,
        dataset_id=dataset_id or 0,
        name=name,
        configuration=configuration,
        status="pending",
        created_at=datetime.now(UTC),
    )


@connected
def get_job(job_id: int) -> Job:
    """Return the job, or raise NotFound."""
    job: Job = get_or_404(Job.select().where(Job.id == job_id), f"job {job_id}")
    return job


def lock_job(job_id: int) -> Job:
    """Return the job, its row locked until the transaction that this is called in ends, or raise NotFound."""
    job: Job = get_or_404(database.lock_rows(Job.select().where(Job.id == job_id)), f"job {job_id}")
    return job


@connected
def get_jobs(job_ids: list[int]) -> list[Job]:
    """Return those of the jobs that exist, in one query."""
    return list(Job.select().where(Job.id.in_(job_ids))) if job_ids else []


@connected
def list_jobs(*, page: int, limit: int, order: str, q: str | None = None, **filters: Any) -> Page:
    """Return a page of the jobs whose columns equal ``filters``, newest first unless ``order`` is ``asc``.

    ``q`` is a part of the name, in any case.
    """
    query = Job.select().filter(**filters)
    if q is not None:
        query = query.where(Job.name.contains(q))
    keys = (Job.created_at, Job.id)
    ordered = query.order_by(*keys) if order == "asc" else query.order_by(*(key.desc() for key in keys))
    return paginate(ordered, page, limit)


@connected
def move_job(job_id: int, status: str, kernel: str | None, **told: Any) -> Job:
    """Set a job's status for ``kernel`` and return it; Conflict where its present status does not allow it.

    ``running`` with a kernel's name is a claim: repeated by the same kernel it stands, and it stops all others. What
    is ``told`` with it (``heartbeat_s``, ``progress``, ``error``) is kept; a job that has ended never changes again.
    """
    if told.get("error") is not None and status != "failed":
        raise Unprocessable.field("error", "Goes with the status failed.")
    with database.atomic():
        job = lock_job(job_id)
        if kernel is not None and job.kernel not in (None, kernel):
            raise Conflict(f"Job {job_id} is the kernel {job.kernel!r}'s.")
        if job.status == status:
            if status == "running" and (kernel is None or job.kernel is None):
                raise Conflict(f"Job {job_id} is running already.")
            if status == "running":
                _hear(job, told)
            return job
        if status not in _TRANSITIONS.get(job.status, ()):
            raise Conflict(f"Job {job_id} is {job.status} and cannot become {status}.")
        _enter(job, status, kernel, told)
        return job


@connected
def follow_run(job_id: int, kernel: str, status: str | None, name: str | None) -> Job:
    """Move a job to the status that its training reports of itself, and return it as it is then.

    A pending job is claimed for ``kernel``. One that another kernel holds, whose word counts, or that has ended
    already stays as it is: no error, for the training is to go on. ``name`` names a job that has no name.
    """
    with database.atomic():
        job = lock_job(job_id)
        if job.status != "pending" and (job.completed_at is not None or job.kernel != kernel):
            return job
        told = {"name": name} if name is not None and job.name is None else {}
        if job.status == "pending" and status in ("running", "completed"):
            _enter(job, "running", kernel, told)
        if status in TERMINAL:
            _enter(job, status, kernel, told)
        else:
            _hear(job, told)
        return job


def _hear(job: Job, told: dict[str, Any]) -> None:
    """Note that a job's kernel lives, and what it says."""
    update_row(job, last_seen_at=datetime.now(UTC), **told)


def _enter(job: Job, status: str, kernel: str | None, told: dict[str, Any]) -> None:
    moment = {"started_at" if status == "running" else "completed_at": datetime.now(UTC)}
    _hear(job, {**told, **moment, "status": status, "kernel": job.kernel or kernel})


@connected
def set_progress(job_id: int, progress: float) -> None:
    """Set the progress of a job that has not ended, from 0 to 1."""
    Job.update(progress=progress).where(Job.id == job_id, Job.completed_at.is_null()).execute()


@connected
def watched_jobs() -> list[Job]:
    """Return the running jobs whose kernels promised a heartbeat."""
    return list(Job.select().where(Job.status == "running", Job.heartbeat_s.is_null(False)))


@connected
def end_silent(job: Job, reason: str) -> bool:
    """Fail a job whose kernel was not heard of since its row was read; False where it was, or it is ended already."""
    unheard = (Job.id == job.id) & (Job.status == "running") & (Job.last_seen_at == job.last_seen_at)
    now = datetime.now(UTC)
    return bool(Job.update(status="failed", completed_at=now, error=reason).where(unheard).execute())
