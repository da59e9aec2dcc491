"""The outbox: pushes the results of a model's newest evaluation to the models service, retried until it takes them."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from functools import partial

from services.evaluations.models_client import ModelsClient
from services.evaluations.tables import Evaluation, connected, database
from shared.errors import NotFound, Unprocessable
from shared.telemetry.failures import failures_logged

_LONGEST_PAUSE = timedelta(seconds=60)

log = logging.getLogger(__name__)


def send_due(models: ModelsClient) -> None:
    """Push every result that is due; a failure, also one that nobody foresaw, is retried later, with backoff."""
    for evaluation in _due():
        what = f"evaluation {evaluation.id}: the model has not its results yet"
        with failures_logged(log, what, partial(_put_off, evaluation)):
            _send(models, evaluation)


def _send(models: ModelsClient, evaluation: Evaluation) -> None:
    try:
        if _is_newest(evaluation):
            models.put_eval_results(evaluation.model_id, evaluation.results["fine_tuned"])
    except (NotFound, Unprocessable) as error:
        log.warning("evaluation %d: the model will never have its results: %s", evaluation.id, error)
    _update(evaluation, eval_results_due=None)


def _put_off(evaluation: Evaluation) -> None:
    pause = min(timedelta(seconds=2**evaluation.eval_results_attempts), _LONGEST_PAUSE)
    attempts = min(evaluation.eval_results_attempts + 1, 10)
    _update(evaluation, eval_results_due=datetime.now(UTC) + pause, eval_results_attempts=attempts)


@connected
def _due() -> list[Evaluation]:
    return list(Evaluation.select().where(Evaluation.eval_results_due <= datetime.now(UTC)).limit(20))


@connected
def _is_newest(evaluation: Evaluation) -> bool:
    newest = (
        Evaluation.select(Evaluation.id)
        .where(Evaluation.model_id == evaluation.model_id, Evaluation.status == "completed")
        .order_by(Evaluation.created_at.desc(), Evaluation.id.desc())
    )
    return bool(newest.limit(1).scalar() == evaluation.id)


@connected
def _update(evaluation: Evaluation, **values: object) -> None:
    with database.atomic():
        Evaluation.update(**values).where(Evaluation.id == evaluation.id).execute()
