"""Begins an evaluation that scores the stored answers of an earlier one, and asks nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from services.evaluations.records.evaluations import TERMINAL, lock_evaluation
from services.evaluations.tables import Evaluation, connected, database
from shared.errors import Conflict, Unprocessable

_KEPT = (
    "model_id",
    "test_set_path",
    "base_model_name",
    "base_model_id",
    "fine_tuned_name",
    "fine_tuned_served_name",
    "prompt",
    "generation",
    "max_error_rate",
    "manifest_digest",
    "retried",
)


@connected
def score_again(evaluation_id: int, **how: Any) -> Evaluation:
    """Store a pending evaluation over another's answers; NotFound, Conflict where it has none of ours, or not yet."""
    with database.atomic():
        source = lock_evaluation(evaluation_id)
        if source.status not in TERMINAL:
            raise Conflict(f"Evaluation {evaluation_id} is {source.status}: its answers are not there yet.")
        if source.test_set_sha256 is None or not source.done:
            raise Conflict(f"Evaluation {evaluation_id} has no stored answers.")
        if how["scoring"] == "judge" and not source.base_model_name:
            raise Unprocessable.field("scoring", "judge compares two models, and the evaluation has no base.")
        kept = {name: getattr(source, name) for name in _KEPT}
        now = datetime.now(UTC)
        created: Evaluation = Evaluation.create(
            status="pending", created_at=now, answers_of=source.answers_of or source.id, **kept, **how
        )
        return created
