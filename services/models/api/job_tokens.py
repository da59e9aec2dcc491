"""What a job's token may say of the models that it makes and changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.auth.identities import current_caller
from shared.errors import Forbidden


def require_own(new: Mapping[str, Any]) -> None:
    """Raise Forbidden where a job's token would make a model that is not that job's."""
    own = current_caller().job_id
    if own is not None and new["job_id"] != own:
        raise Forbidden(f"The scope write is missing; a job's token makes models with its job_id {own} alone.")
    _refuse(new, "storage_path", "eval_results")


def require_unjudged(update: Mapping[str, Any]) -> None:
    """Raise Forbidden where a job's token would set its model's evaluation results."""
    _refuse(update, "eval_results")


def _refuse(fields: Mapping[str, Any], *names: str) -> None:
    """The files of others lie below a path of one's choice, and no training judges itself."""
    touched = [name for name in names if fields.get(name) is not None]
    if touched and current_caller().job_id is not None:
        raise Forbidden(f"The scope write is missing; a job's token does not set {touched[0]}.")
