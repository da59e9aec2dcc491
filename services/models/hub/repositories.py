"""Finds the model that is a repository."""

from __future__ import annotations

from services.models.repo_ids import parse_numbered, repo_id_problem
from services.models.tables import Model, connected


@connected
def find_model(repo_id: str) -> Model | None:
    """Return the model of a repository id: its own, `tunedeck/model-<ID>`, or a job's newest ready one; else None."""
    numbered = parse_numbered(repo_id)
    query = Model.select()
    if numbered is None:
        # What no model can be called may be no text for a database, either.
        known = None if repo_id_problem(repo_id) else Model.own_repo_id == repo_id
    elif numbered.kind == "model":
        # One with a name of its own has that alone.
        known = (Model.id == numbered.number) & Model.own_repo_id.is_null()
    else:
        known = (Model.job_id == numbered.number) & (Model.status == "ready")
    found: Model | None = None
    if known is not None:
        found = query.where(known).order_by(Model.created_at.desc(), Model.id.desc()).first()
    return found
