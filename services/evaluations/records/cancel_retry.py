"""Cancels evaluations, and retries failed ones."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from services.evaluations.records import evaluations
from services.evaluations.scoring.metrics import ROLES
from services.evaluations.tables import Evaluation, Example, connected, database
from shared.database.queries import update_row
from shared.errors import Conflict

CANCELLED = "cancelled"


@connected
def cancel(evaluation_id: int) -> Evaluation:
    """End an evaluation as failed with the error ``cancelled``; its rows stay, the worker's lease is void.

    NotFound; Conflict where it is over for another reason. One that was cancelled is returned as it is.
    """
    with database.atomic():
        evaluation = evaluations.lock_evaluation(evaluation_id)
        if evaluation.status in evaluations.TERMINAL:
            if evaluation.error != CANCELLED:
                raise Conflict(f"Evaluation {evaluation_id} is {evaluation.status} already.")
            return evaluation
        evaluation.void_lease()
        update_row(evaluation, status="failed", error=CANCELLED, completed_at=datetime.now(UTC))
        return evaluation


@connected
def retry(evaluation_id: int, *, max_error_rate: float | None) -> Evaluation:
    """Set an evaluation that failed, or has rows in error, to pending: its good rows stay, the others are asked again.

    Of both models. NotFound; Conflict where there is nothing to ask again.
    """
    with database.atomic():
        evaluation = evaluations.lock_evaluation(evaluation_id)
        if evaluation.status not in evaluations.TERMINAL:
            raise Conflict(f"Evaluation {evaluation_id} is {evaluation.status}: it cannot be retried before its end.")
        if evaluation.status == "completed" and not evaluation.errors:
            raise Conflict(
                f"Evaluation {evaluation_id} is completed and has no row in error: there is none to ask again."
            )
        _drop_rows(evaluation)
        if max_error_rate is not None:
            evaluation.max_error_rate = max_error_rate
        former = ("error", "results", "started_at", "completed_at", "eval_results_due")
        update_row(evaluation, status="pending", **dict.fromkeys(former))
        return evaluation


def _drop_rows(evaluation: Evaluation) -> None:
    own = Example.evaluation_id == evaluation.id
    if evaluation.test_set_sha256 is None:
        # What an outside worker reported are no rows of the test set.
        Example.delete().where(own).execute()
        return
    # Where the judge alone failed both answers stay.
    again: dict[str, Any] = {"error": None, "error_message": None, "judge_error": None, "done": False}
    evaluation.retried += Example.update(**again).where(own & Example.judge_error.is_null(False)).execute()
    evaluation.retried += Example.delete().where(own & Example.error.is_null(False)).execute()
    evaluation.errors = 0
    cut = Example.base_model_truncated | Example.fine_tuned_truncated
    evaluation.truncated = Example.select().where(own & cut).count()
    evaluation.done = Example.select().where(own & Example.done).count()
    judged = evaluation.done if evaluation.scoring == "judge" else 0
    evaluation.answers = judged + sum(Example.select().where(own & _has_answer(role)).count() for role in ROLES)


def _has_answer(role: str) -> Any:
    output, error = getattr(Example, f"{role}_output"), getattr(Example, f"{role}_error")
    return output.is_null(False) | error.is_null(False)
