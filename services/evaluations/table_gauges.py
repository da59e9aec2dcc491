"""What the tables of the evaluations service tell an operator: what waits, what runs, what is yet to be told."""

from __future__ import annotations

from datetime import UTC, datetime

from services.evaluations.tables import Evaluation, connected
from shared.telemetry.metrics import TableGauge


@connected
def _with_status(status: str) -> int:
    return int(Evaluation.select().where(Evaluation.status == status).count())


@connected
def _oldest_waiting_s() -> float:
    pending = Evaluation.select(Evaluation.created_at).where(Evaluation.status == "pending")
    oldest = pending.order_by(Evaluation.created_at, Evaluation.id).first()
    return 0.0 if oldest is None else max(0.0, (datetime.now(UTC) - oldest.created_at).total_seconds())


@connected
def _results_due() -> int:
    return int(Evaluation.select().where(Evaluation.eval_results_due.is_null(False)).count())


GAUGES = (
    TableGauge(
        "tunedeck_evaluations_waiting", "Evaluations that no worker has claimed.", lambda: _with_status("pending")
    ),
    TableGauge(
        "tunedeck_evaluations_running", "Evaluations that a worker has claimed.", lambda: _with_status("running")
    ),
    TableGauge(
        "tunedeck_evaluation_queue_age_seconds", "Seconds that the oldest of those has waited.", _oldest_waiting_s
    ),
    TableGauge("tunedeck_eval_results_due", "Results that the models service has not taken yet.", _results_due),
)
