"""MLflow's tracking API over jobs: a run is a job, its id the job's number, and all runs are of one experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from services.logs.jobs import create_job, follow_run, get_job
from services.logs.metrics import points
from services.logs.metrics.points import REPORTED, NewPoint, Row, json_value
from services.logs.tables import Entry, Job, Parameter, Tag, connected, database
from shared.database.queries import tuples
from shared.errors import Unprocessable
from shared.pacing import yielding
from shared.timestamps import to_micros

KERNEL = "mlflow"
"""By this name a run claims its job."""

EXPERIMENT_ID = "0"

MAX_ENTRIES = 2_000
"""Parameters of a job, and tags; each request for a run shows them all."""

_STATUSES = {
    "pending": "SCHEDULED",
    "running": "RUNNING",
    "completed": "FINISHED",
    "failed": "FAILED",
    "cancelled": "KILLED",
}
STATUSES = {theirs: ours for ours, theirs in _STATUSES.items()}
"""Ours, by MLflow's name."""


@connected
def create_run(name: str | None, tags: Mapping[str, str]) -> Job:
    """Create a job without a dataset that runs already, claimed by KERNEL."""
    with database.atomic():
        job, _ = create_job(None, dataset_id=None, name=name, configuration={})
        _store_entries(Tag, job.id, tags)
        return follow_run(job.id, KERNEL, "running", None)


@connected
def log_batch(job_id: int, metrics: Sequence[NewPoint], parameters: Mapping[str, str], tags: Mapping[str, str]) -> None:
    """Store what a training reports of itself, all or none; what has a name that is there already replaces it.

    Raises NotFound (no such job), Gone (its log was deleted) or Unprocessable (more than MAX_ENTRIES).
    """
    with database.atomic():
        points.store_points(job_id, REPORTED, metrics)
        _store_entries(Parameter, job_id, parameters)
        _store_entries(Tag, job_id, tags)


def _store_entries(table: type[Entry], job_id: int, entries: Mapping[str, str]) -> None:
    if not entries:
        return
    rows = [(job_id, key, value) for key, value in entries.items()]
    database.insert_rows(
        table, ("job_id", "name", "value"), rows, "ON CONFLICT (job_id, name) DO UPDATE SET value = excluded.value"
    )
    if table.select().where(table.job_id == job_id).count() > MAX_ENTRIES:
        raise Unprocessable.field(f"{table._meta.table_name}s", f"A job has at most {MAX_ENTRIES}.")


def show_experiment(name: str) -> dict[str, Any]:
    """Return the one experiment as MLflow shows it, by whatever name it is asked for."""
    return {"experiment_id": EXPERIMENT_ID, "name": name, "artifact_location": "", "lifecycle_stage": "active"}


def read_run(job_id: int) -> dict[str, Any]:
    """Return a job as MLflow shows a run, with the last point of each reported metric."""
    job = get_job(job_id)
    names = points.metric_names(job_id, REPORTED)
    last = [(name, points.last_point(job_id, REPORTED, name)) for name in yielding(names)]
    data = {
        "metrics": [_show_point(name, row) for name, row in last if row is not None],
        "params": _read_entries(Parameter, job_id),
        "tags": _read_entries(Tag, job_id),
    }
    return {"info": show_info(job), "data": data, "inputs": {}}


@connected
def _read_entries(table: type[Entry], job_id: int) -> list[dict[str, str]]:
    query = table.select(table.name, table.value).where(table.job_id == job_id).order_by(table.name)
    return [{"key": name, "value": value} for name, value in tuples(query)]


def read_history(job_id: int, name: str, after_step: int, limit: int) -> dict[str, Any]:
    """Return a page of a metric's reported points; its token is the step after which the next one begins."""
    get_job(job_id)
    rows = points.read_block(job_id, REPORTED, name, after_step, limit)
    page: dict[str, Any] = {"metrics": [_show_point(name, row) for row in rows]}
    if len(rows) == limit:
        page["next_page_token"] = str(rows[-1][0])
    return page


def show_info(job: Job) -> dict[str, Any]:
    """Return what MLflow shows of a run beside its data."""
    return {
        "run_id": str(job.id),
        "run_uuid": str(job.id),
        "run_name": job.name or f"job {job.id}",
        "experiment_id": EXPERIMENT_ID,
        "status": _STATUSES[job.status],
        "start_time": _millis(job.started_at or job.created_at),
        "end_time": _millis(job.completed_at),
        "artifact_uri": f"mlflow-artifacts:/{job.id}",
        "lifecycle_stage": "active",
    }


def _show_point(name: str, row: Row) -> dict[str, Any]:
    step, value, timestamp, _ = row
    return {"key": name, "value": json_value(value), "timestamp": timestamp // 1000, "step": step}


def _millis(moment: datetime | None) -> int | None:
    return None if moment is None else to_micros(moment) // 1000
