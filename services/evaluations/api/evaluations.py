"""The endpoints of evaluations."""

from __future__ import annotations

from typing import Any

from services.evaluations.api import detail
from services.evaluations.api.report_schemas import ReportSchema
from services.evaluations.api.schemas import (
    CreatedSchema,
    DetailSchema,
    EvaluationPageSchema,
    EvaluationsQuery,
    ExamplePageSchema,
    ExamplesQuery,
    NewEvaluationSchema,
    RecordSchema,
    RetrySchema,
    ScoreSchema,
)
from services.evaluations.models_client import ModelsClient
from services.evaluations.records import cancel_retry, evaluations
from services.evaluations.records.evaluations import CHANNEL
from shared.database.pagination import Page
from shared.http import idempotency
from shared.http.collaborators import collaborator
from shared.http.idempotency import created, request_key
from shared.http.service import Blueprint
from shared.notifier import Notifier
from shared.s3.bucket import Bucket

blp = Blueprint("evaluations", __name__, url_prefix="/api/v1")


@blp.post("/models/<id:model_id>/evaluate")
@blp.arguments(NewEvaluationSchema)
@blp.response(202, CreatedSchema)
@blp.doc(**idempotency.DOCUMENTED)
def create_evaluation(new: dict[str, Any], model_id: int) -> Any:
    """Have a ready model judged against its base on a test set."""
    evaluation, replayed = evaluations.create_evaluation(
        collaborator(Bucket), collaborator(ModelsClient), request_key(new), model_id, **new
    )
    collaborator(Notifier).publish(CHANNEL, str(evaluation.id))
    return evaluation, created("evaluations.get_evaluation", replayed=replayed, evaluation_id=evaluation.id)


@blp.get("/evaluations")
@blp.arguments(EvaluationsQuery, location="query")
@blp.response(200, EvaluationPageSchema)
def list_evaluations(query: dict[str, Any]) -> Page:
    """List evaluations, newest first."""
    return evaluations.list_evaluations(**query)


@blp.get("/evaluations/<id:evaluation_id>")
@blp.response(200, DetailSchema)
def get_evaluation(evaluation_id: int) -> dict[str, Any]:
    """Show an evaluation with its results, its first 100 examples and, while it runs, its progress."""
    return detail.show_evaluation(evaluation_id, collaborator(ModelsClient))


@blp.put("/evaluations/<id:evaluation_id>")
@blp.arguments(ReportSchema)
@blp.response(200, RecordSchema)
def report_evaluation(body: dict[str, Any], evaluation_id: int) -> dict[str, Any]:
    """End an evaluation with the results of a worker of your own."""
    return detail.report(evaluation_id, body)


@blp.post("/evaluations/<id:evaluation_id>/cancel")
@blp.response(200, RecordSchema)
def cancel_evaluation(evaluation_id: int) -> dict[str, Any]:
    """Cancel an evaluation; the rows that it has so far stay."""
    return detail.describe(cancel_retry.cancel(evaluation_id))


@blp.post("/evaluations/<id:evaluation_id>/retry")
@blp.arguments(RetrySchema)
@blp.response(200, RecordSchema)
def retry_evaluation(how: dict[str, Any], evaluation_id: int) -> dict[str, Any]:
    """Ask the rows in error again; the good ones stay."""
    evaluation = cancel_retry.retry(evaluation_id, **how)
    collaborator(Notifier).publish(CHANNEL, str(evaluation_id))
    return detail.describe(evaluation)


@blp.post("/evaluations/<id:evaluation_id>/score")
@blp.arguments(ScoreSchema)
@blp.response(202, CreatedSchema)
def score_evaluation(how: dict[str, Any], evaluation_id: int) -> Any:
    """Score the stored answers of an evaluation in another way, as a new evaluation that asks nothing."""
    evaluation = evaluations.score_again(evaluation_id, **how)
    collaborator(Notifier).publish(CHANNEL, str(evaluation.id))
    return evaluation, created("evaluations.get_evaluation", replayed=False, evaluation_id=evaluation.id)


@blp.get("/evaluations/<id:evaluation_id>/examples")
@blp.arguments(ExamplesQuery, location="query")
@blp.response(200, ExamplePageSchema)
def list_examples(query: dict[str, Any], evaluation_id: int) -> Page:
    """List an evaluation's examples in the order of the test set."""
    return evaluations.list_examples(evaluation_id, **query)
