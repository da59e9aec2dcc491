"""The endpoints of jobs."""

from __future__ import annotations

from typing import Any

from services.logs import jobs
from services.logs.api.schemas import JobPageSchema, JobSchema, JobsQuery, JobUpdateSchema, NewJobSchema
from services.logs.metrics import series
from services.logs.streaming.hub import Hub
from services.logs.tables import Job
from shared.auth.access import require_claim
from shared.database.pagination import Page
from shared.http import idempotency
from shared.http.collaborators import collaborator
from shared.http.idempotency import created, request_key
from shared.http.schemas import only_changes
from shared.http.service import Blueprint

blp = Blueprint("jobs", __name__, url_prefix="/api/v1")


@blp.post("/jobs")
@blp.arguments(NewJobSchema)
@blp.response(201, JobSchema)
@blp.doc(**idempotency.DOCUMENTED)
def create_job(new: dict[str, Any]) -> Any:
    """Create a pending job, for a kernel to claim."""
    job, replayed = jobs.create_job(request_key(new), **new)
    return job, created("jobs.get_job", replayed=replayed, job_id=job.id)


@blp.get("/jobs")
@blp.arguments(JobsQuery, location="query")
@blp.response(200, JobPageSchema)
def list_jobs(query: dict[str, Any]) -> Page:
    """List jobs, newest first; with the metrics that are asked for beside each."""
    names = query.pop("metrics")
    page = jobs.list_jobs(**query)
    if names:
        for job in page.data:
            job.metrics = series.read_sparklines(job, names)
    return page


@blp.get("/jobs/<id:job_id>")
@blp.response(200, JobSchema)
def get_job(job_id: int) -> Job:
    """Show one job."""
    return jobs.get_job(job_id)


@blp.put("/jobs/<id:job_id>")
@blp.arguments(JobUpdateSchema)
@blp.response(200, JobSchema)
def update_job(update: dict[str, Any], job_id: int) -> Job:
    """Claim a job for a kernel, or end it."""
    require_claim(update)
    present = JobSchema().dump(jobs.get_job(job_id))
    job = jobs.move_job(job_id, **only_changes(update, JobUpdateSchema, present))
    collaborator(Hub).announce(job_id)
    return job
