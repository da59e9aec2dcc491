"""The endpoints of evaluations and test sets."""

from __future__ import annotations

from typing import Any

from flask import current_app, request, url_for

from services.evaluations import details, records, runs, test_sets
from services.evaluations.details import Detail
from services.evaluations.schemas import (
    CreatedSchema,
    DetailSchema,
    EvaluationPageSchema,
    EvaluationsQuery,
    ExamplePageSchema,
    ExamplesQuery,
    NewEvaluationSchema,
    RecordSchema,
    ReportSchema,
    TestSetPageSchema,
    TestSetSchema,
)
from services.evaluations.tables import TestSet
from shared.pagination import Page, PageQuery
from shared.service import Blueprint
from shared.store import Store

blp = Blueprint("evaluations", __name__, url_prefix="/api/v1")


@blp.post("/models/<id:model_id>/evaluate")
@blp.arguments(NewEvaluationSchema)
@blp.response(202, CreatedSchema)
def create_evaluation(new: dict[str, Any], model_id: int) -> Any:
    """Have a ready model judged against its base on a test set."""
    evaluation = records.create_evaluation(_store(), current_app.extensions["models"], model_id, **new)
    current_app.extensions["doorbell"].ring(runs.CHANNEL, str(evaluation.id))
    return evaluation, {"Location": url_for("evaluations.get_evaluation", evaluation_id=evaluation.id)}


@blp.get("/evaluations")
@blp.arguments(EvaluationsQuery, location="query")
@blp.response(200, EvaluationPageSchema)
def list_evaluations(query: dict[str, Any]) -> Page:
    """List evaluations, newest first."""
    return records.list_evaluations(**query)


@blp.get("/evaluations/<id:evaluation_id>")
@blp.response(200, DetailSchema)
def get_evaluation(evaluation_id: int) -> Detail:
    """Show an evaluation with its results, its first 100 examples and, while it runs, its progress."""
    return details.show_evaluation(evaluation_id, current_app.extensions["models"])


@blp.put("/evaluations/<id:evaluation_id>")
@blp.arguments(ReportSchema)
@blp.response(200, RecordSchema)
def report_evaluation(body: dict[str, Any], evaluation_id: int) -> Detail:
    """End an evaluation with what a worker of your own found."""
    return details.report(evaluation_id, body)


@blp.post("/evaluations/<id:evaluation_id>/cancel")
@blp.response(200, RecordSchema)
def cancel_evaluation(evaluation_id: int) -> Detail:
    """End an evaluation before it is over; what it has so far stays."""
    return details.cancel(evaluation_id)


@blp.post("/evaluations/<id:evaluation_id>/retry")
@blp.response(200, RecordSchema)
def retry_evaluation(evaluation_id: int) -> Detail:
    """Have a failed evaluation go on where it failed."""
    evaluation = details.retry(evaluation_id)
    current_app.extensions["doorbell"].ring(runs.CHANNEL, str(evaluation_id))
    return evaluation


@blp.get("/evaluations/<id:evaluation_id>/examples")
@blp.arguments(ExamplesQuery, location="query")
@blp.response(200, ExamplePageSchema)
def list_examples(query: dict[str, Any], evaluation_id: int) -> Page:
    """List an evaluation's examples in the order of the test set."""
    if "error" in query:
        query["error"] = query["error"] == "true"
    return records.list_examples(evaluation_id, **query)


@blp.get("/datasets")
@blp.arguments(PageQuery, location="query")
@blp.response(200, TestSetPageSchema)
def list_test_sets(query: dict[str, int]) -> Page:
    """List the test sets that were uploaded, newest first."""
    return test_sets.list_sets(**query)


@blp.put("/datasets/<rest:name>")
@blp.response(200, TestSetSchema)
def upload_test_set(name: str) -> TestSet:
    """Store the body, a JSON array or JSON Lines of `{"input", "expected"}`, as a test set."""
    return test_sets.upload(_store(), name, request.stream, request.content_length)


def _store() -> Store:
    store: Store = current_app.extensions["store"]
    return store
