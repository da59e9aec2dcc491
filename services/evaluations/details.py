"""An evaluation with all that its detail shows: its first examples, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from services.evaluations import lifecycle, records
from services.evaluations.schemas import DetailSchema, RecordSchema, ReportSchema
from services.evaluations.tables import Evaluation
from shared.fields import only_changes

_FLEETING = frozenset({"progress"})
"""Differs from one answer to the next, so a PUT cannot be held to it."""


@dataclass(frozen=True)
class Progress:
    """Rows that are done of how many, those of them in error, and the seconds that the rest will take."""

    done: int
    total: int | None
    errors: int
    eta_seconds: int | None


class Detail:
    """An evaluation's own fields, its first ``examples`` and, while it runs, its ``progress``."""

    def __init__(self, evaluation: Evaluation) -> None:
        self._evaluation = evaluation
        self.examples = records.first_examples(evaluation.id)
        self.progress = _progress(evaluation) if evaluation.status == "running" else None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._evaluation, name)


def show_evaluation(evaluation_id: int) -> Detail:
    """Return the evaluation, or raise NotFound."""
    return Detail(records.find_evaluation(evaluation_id))


def report(evaluation_id: int, body: dict[str, Any]) -> Detail:
    """End an evaluation with an outside worker's report, and return it as it is then."""
    present = show_evaluation(evaluation_id)
    shown = RecordSchema().dump(present) | DetailSchema().dump(present)
    held_to = {name: value for name, value in body.items() if name not in _FLEETING or shown[name] is None}
    return Detail(records.report(evaluation_id, only_changes(held_to, ReportSchema, shown)))


def cancel(evaluation_id: int) -> Detail:
    """End an evaluation before it is over, and return it as it is then."""
    return Detail(lifecycle.cancel(evaluation_id))


def retry(evaluation_id: int) -> Detail:
    """Have a failed evaluation go on, and return it as it is then."""
    return Detail(lifecycle.retry(evaluation_id))


def _progress(evaluation: Evaluation) -> Progress:
    eta = None
    # What an earlier worker did says nothing of how fast this one is.
    own = evaluation.done - evaluation.taken_done
    if own and evaluation.total is not None and evaluation.taken_at is not None:
        elapsed = (datetime.now(UTC) - evaluation.taken_at).total_seconds()
        eta = round(elapsed / own * (evaluation.total - evaluation.done))
    return Progress(evaluation.done, evaluation.total, evaluation.errors, eta)
