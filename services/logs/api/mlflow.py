"""The endpoints of MLflow's tracking API, and its shape of an error for whatever is answered below /mlflow/."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from flask import Response, request

from services.logs.api.mlflow_schemas import (
    ExperimentNameQuery,
    ExperimentQuery,
    HistoryQuery,
    LogBatchSchema,
    LogEntrySchema,
    LogMetricSchema,
    NewExperimentSchema,
    NewRunSchema,
    RunQuery,
    RunUpdateSchema,
)
from services.logs.integrations import mlflow
from services.logs.jobs import follow_run
from services.logs.metrics.points import BLOCK
from services.logs.streaming.hub import Hub
from shared.errors import NotFound
from shared.http.collaborators import collaborator
from shared.http.service import Blueprint

_PREFIX = "/mlflow/"

blp = Blueprint("mlflow", __name__, url_prefix=f"{_PREFIX}api/2.0/mlflow")

_ERROR_CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    409: "RESOURCE_CONFLICT",
    410: "RESOURCE_DOES_NOT_EXIST",
    429: "REQUEST_LIMIT_EXCEEDED",
    500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
}

_ERROR = {
    "type": "object",
    "required": ["error_code", "message"],
    "properties": {"error_code": {"type": "string"}, "message": {"type": "string"}},
}


def _described(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


_documented = blp.doc(
    responses={
        "200": _described("As MLflow has it.", {"type": "object"}),
        "422": _described("A field is wrong.", _ERROR),
        "default": _described("An error in MLflow's shape.", _ERROR),
    }
)


@blp.get("/experiments/get-by-name")
@_documented
@blp.arguments(ExperimentNameQuery, location="query")
def get_experiment_by_name(query: dict[str, Any]) -> dict[str, Any]:
    """Show the one experiment, by any name."""
    return {"experiment": mlflow.show_experiment(query["experiment_name"])}


@blp.get("/experiments/get")
@_documented
@blp.arguments(ExperimentQuery, location="query")
def get_experiment(query: dict[str, Any]) -> dict[str, Any]:
    """Show the one experiment."""
    if query["experiment_id"] != mlflow.EXPERIMENT_ID:
        raise NotFound(f"There is one experiment, {mlflow.EXPERIMENT_ID}.")
    return {"experiment": mlflow.show_experiment("Default")}


@blp.post("/experiments/create")
@_documented
@blp.arguments(NewExperimentSchema)
def create_experiment(new: dict[str, Any]) -> dict[str, str]:
    """Create nothing: all runs are of the one experiment."""
    return {"experiment_id": mlflow.EXPERIMENT_ID}


@blp.post("/runs/create")
@_documented
@blp.arguments(NewRunSchema)
def create_run(new: dict[str, Any]) -> dict[str, Any]:
    """Create a job without a dataset that is running, claimed by the kernel `mlflow`."""
    job = mlflow.create_run(new["run_name"] or None, _entries(new["tags"]))
    return {"run": mlflow.read_run(job.id)}


@blp.get("/runs/get")
@_documented
@blp.arguments(RunQuery, location="query")
def get_run(query: dict[str, Any]) -> dict[str, Any]:
    """Show a job as a run."""
    return {"run": mlflow.read_run(query["run_id"])}


@blp.post("/runs/update")
@_documented
@blp.arguments(RunUpdateSchema)
def update_run(update: dict[str, Any]) -> dict[str, Any]:
    """Move the job to the run's status, unless another kernel holds it or it has ended."""
    status = mlflow.STATUSES.get(update["status"])
    job = follow_run(update["run_id"], mlflow.KERNEL, status, update["run_name"] or None)
    collaborator(Hub).announce(job.id)
    return {"run_info": mlflow.show_info(job)}


@blp.post("/runs/log-metric")
@_documented
@blp.arguments(LogMetricSchema)
def log_metric(new: dict[str, Any]) -> dict[str, Any]:
    """Store a metric's point."""
    mlflow.log_batch(new["run_id"], new["metrics"], {}, {})
    return {}


@blp.post("/runs/log-batch")
@_documented
@blp.arguments(LogBatchSchema)
def log_batch(new: dict[str, Any]) -> dict[str, Any]:
    """Store points, parameters and tags, all or none."""
    mlflow.log_batch(new["run_id"], new["metrics"], _entries(new["params"]), _entries(new["tags"]))
    return {}


@blp.post("/runs/log-parameter")
@_documented
@blp.arguments(LogEntrySchema)
def log_parameter(new: dict[str, Any]) -> dict[str, Any]:
    """Store a parameter; one of the same name is replaced."""
    mlflow.log_batch(new["run_id"], [], {new["key"]: new["value"]}, {})
    return {}


@blp.post("/runs/set-tag")
@_documented
@blp.arguments(LogEntrySchema)
def set_tag(new: dict[str, Any]) -> dict[str, Any]:
    """Store a tag; one of the same name is replaced."""
    mlflow.log_batch(new["run_id"], [], {}, {new["key"]: new["value"]})
    return {}


@blp.get("/metrics/get-history")
@_documented
@blp.arguments(HistoryQuery, location="query")
def get_history(query: dict[str, Any]) -> dict[str, Any]:
    """Page through a metric's reported points."""
    limit = min(query["max_results"], BLOCK)
    return mlflow.read_history(query["run_id"], query["metric_key"], query["after_step"], limit)


@blp.after_app_request
def show_errors_as_mlflow_does(response: Response) -> Response:
    """Give an error below /mlflow/ MLflow's own shape, also where no endpoint of it was reached."""
    if response.status_code < 400 or not request.path.startswith(_PREFIX):
        return response
    code, message = _ERROR_CODES.get(response.status_code, "INVALID_PARAMETER_VALUE"), ""
    if request.routing_exception is not None:
        code, message = "ENDPOINT_NOT_FOUND", _missing(request.path)
        response.headers["Connection"] = "close"  # the body, an artifact of gigabytes maybe, was not read
    error = {"error_code": code, "message": message or response.get_json()["message"]}
    response.set_data(json.dumps(error))
    return response


def _missing(path: str) -> str:
    if "artifacts" in path:
        return "Artifacts are not kept here: `tunedeck push` uploads the files of a model."
    return "Of MLflow's API there are here: runs, their metrics, parameters and tags. This is another part of it."


def _entries(entries: Iterable[dict[str, str]]) -> dict[str, str]:
    return {entry["key"]: entry["value"] for entry in entries}
