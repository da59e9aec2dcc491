"""Finds the model that is a repository, and creates one."""

from __future__ import annotations

from typing import Any

from services.models.hub.base_model import UNKNOWN
from services.models.lifecycle.change_model import create_model
from services.models.repo_ids import parse_numbered, repo_id_problem
from services.models.tables import Model, connected
from shared.errors import Conflict
from shared.s3.bucket import Bucket

# No others: peewee takes longer to write a query for all columns than the database to answer it, and a client asks once
# for each file.
_COLUMNS = (
    Model.id,
    Model.own_repo_id,
    Model.job_id,
    Model.storage_path,
    Model.status,
    Model.revision,
    Model.created_at,
    Model.updated_at,
)


@connected
def find_model(repo_id: str) -> Model | None:
    """Return the model of a repository id: its own, `tunedeck/model-<ID>`, or a job's newest ready one; else None.

    It has the columns that readers of a repository need.
    """
    numbered = parse_numbered(repo_id)
    query = Model.select(*_COLUMNS)
    if numbered is None:
        # What no model can be called may be no text for a database, either.
        known = None if repo_id_problem(repo_id) else Model.own_repo_id == repo_id
    elif numbered[0] == "model":
        # One with a name of its own has that alone.
        known = (Model.id == numbered[1]) & Model.own_repo_id.is_null()
    else:
        known = (Model.job_id == numbered[1]) & (Model.status == "ready")
        query = query.order_by(Model.created_at.desc(), Model.id.desc())
    found: Model | None = None if known is None else query.where(known).first()
    return found


def create_repository(bucket: Bucket, repo_id: str, job_id: int | None) -> tuple[Model, bool]:
    """Return the model of a repository, and whether it is new; then it awaits its first commit."""
    found = find_model(repo_id)
    if found is not None:
        return found, False
    fields = {"name": repo_id.partition("/")[2], "description": "", "base_model": UNKNOWN, "type": "lora"}
    columns: dict[str, Any] = {**fields, "training_metrics": {}, "job_id": job_id, "own_repo_id": repo_id}
    try:
        model, _ = create_model(bucket, None, status="uploading", **columns)
    except Conflict:
        other = find_model(repo_id)  # another request was faster
        if other is None:
            raise
        return other, False
    return model, True
