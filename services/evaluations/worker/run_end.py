"""The end of a run: it is completed with its results, or fails with a reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from services.evaluations import telemetry
from services.evaluations.tables import Evaluation, Example, connected
from services.evaluations.worker.claims import held
from shared.database.queries import tuples


@connected
def finish(run: Evaluation, results: Mapping[str, Any]) -> None:
    """Complete the evaluation with its results, or fail it where the error budget is exceeded."""
    with held(run) as evaluation:
        if exceeds_error_budget(evaluation.errors, evaluation.total, evaluation.max_error_rate):
            _end(evaluation, "failed", error=_too_many_errors(evaluation))
        elif exceeds_error_budget(evaluation.truncated, evaluation.total, evaluation.max_error_rate):
            _end(evaluation, "failed", error=_too_many_truncated(evaluation))
        else:
            asked = {"extract_label": evaluation.extract_label, "max_error_rate": evaluation.max_error_rate}
            asked |= evaluation.scoring_parameters or {}
            evaluation.results = {
                **results,
                "scoring": results["scoring"] | asked,
                "retried": evaluation.retried,
            }
            evaluation.eval_results_due = datetime.now(UTC)
            _end(evaluation, "completed")


@connected
def fail(run: Evaluation, error: str) -> None:
    """Fail the evaluation; its rows stay."""
    with held(run) as evaluation:
        _end(evaluation, "failed", error=error)


def _end(evaluation: Evaluation, status: str, error: str | None = None) -> None:
    evaluation.status, evaluation.error, evaluation.completed_at = status, error, datetime.now(UTC)
    evaluation.void_lease()
    telemetry.evaluations_ended.labels(status).inc()


def exceeds_error_budget(errors: int, total: int | None, max_error_rate: float) -> bool:
    """Say whether more rows are in error than ``max_error_rate`` allows: the evaluation can only fail."""
    return errors > (total or 0) * max_error_rate


def _too_many_errors(evaluation: Evaluation) -> str:
    in_error = (Example.evaluation_id == evaluation.id) & Example.error.is_null(False)
    reasons = Counter(reason for (reason,) in tuples(Example.select(Example.error).where(in_error)))
    listed = ", ".join(f"{rows} × {reason}" for reason, rows in reasons.most_common())
    first = Example.select().where(in_error).order_by(Example.evaluation_id, Example.row).first()
    return (
        f"{evaluation.errors} of {evaluation.total} rows ended in an error ({listed}), "
        f"more than {evaluation.max_error_rate:.4g} of them; row {first.row + 1}: {first.error_message}"
    )


def _too_many_truncated(evaluation: Evaluation) -> str:
    return (
        f"In {evaluation.truncated} of {evaluation.total} rows a generation was cut at max_tokens, more than "
        f"{evaluation.max_error_rate:.4g} of them: raise max_tokens, or max_error_rate where such answers may count."
    )
