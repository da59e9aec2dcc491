"""An evaluation with all that its detail shows: its first examples, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from services.evaluations import records
from services.evaluations.schemas import DetailSchema, RecordSchema, ReportSchema
from services.evaluations.tables import Evaluation
from shared.fields import only_changes


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
    return Detail(records.report(evaluation_id, only_changes(body, ReportSchema, shown)))


def _progress(evaluation: Evaluation) -> Progress:
    eta = None
    if evaluation.done and evaluation.total is not None and evaluation.started_at is not None:
        elapsed = (datetime.now(UTC) - evaluation.started_at).total_seconds()
        eta = round(elapsed / evaluation.done * (evaluation.total - evaluation.done))
    return Progress(evaluation.done, evaluation.total, evaluation.errors, eta)
