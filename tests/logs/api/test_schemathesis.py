"""What the service's own OpenAPI document allows, and what it does not: no 500, no answer that it leaves out."""

import pytest
from schemathesis import GenerationMode

from tests.support.databases import on
from tests.support.openapi import check_endpoint, endpoints

ENDPOINTS = [
    ("/api/v1/jobs", "GET"),
    ("/api/v1/jobs", "POST"),
    ("/api/v1/jobs/{job_id}", "GET"),
    ("/api/v1/jobs/{job_id}", "PUT"),
    ("/api/v1/jobs/{job_id}/logs", "GET"),
    ("/api/v1/jobs/{job_id}/logs/download", "GET"),
    ("/api/v1/jobs/{job_id}/logs", "POST"),
    ("/api/v1/jobs/{job_id}/metrics", "GET"),
    ("/api/v1/jobs/{job_id}/metrics", "POST"),
    ("/api/v1/jobs/{job_id}/trainer-status", "POST"),
    ("/api/v1/jobs/{job_id}/otlp/v1/logs", "POST"),
    ("/api/v1/jobs/{job_id}/token", "POST"),
    *(("/api/v1/session", method) for method in ("GET", "POST", "DELETE")),
    ("/api/v1/tickets", "POST"),
    *((f"/mlflow/api/2.0/mlflow/{path}", "GET") for path in ("experiments/get-by-name", "experiments/get")),
    *((f"/mlflow/api/2.0/mlflow/{path}", "GET") for path in ("runs/get", "metrics/get-history")),
    *((f"/mlflow/api/2.0/mlflow/{path}", "POST") for path in ("experiments/create", "runs/create", "runs/update")),
    *((f"/mlflow/api/2.0/mlflow/runs/{what}", "POST") for what in ("log-metric", "log-batch", "log-parameter")),
    ("/mlflow/api/2.0/mlflow/runs/set-tag", "POST"),
    ("/api/v1/jobs/{job_id}/logs", "DELETE"),  # the last one: nothing is there after it
]


TAKE_NOTHING = {("/api/v1/session", "GET"), ("/api/v1/session", "DELETE")}
"""There is nothing to get wrong in them."""

CASES = [
    (*endpoint, mode)
    for endpoint in ENDPOINTS
    for mode in GenerationMode
    if endpoint not in TAKE_NOTHING or mode is GenerationMode.POSITIVE
]


@pytest.fixture(scope="module")
def known(logs):
    job = logs.post("/api/v1/jobs", json={"dataset_id": 1}).json()["ID"]
    logs.post(f"/api/v1/jobs/{job}/logs", json={"logs": [{"message": "x"}] * 20})
    return {"job_id": job}


@on("postgresql")
@pytest.mark.parametrize(("path", "method", "mode"), CASES)
def test_it_answers_as_documented(logs, known, path, method, mode):
    # A stream would go on for minutes.
    check_endpoint(logs, path, method, mode, known, headers={"Accept": "application/json"})


def test_the_document_names_every_endpoint(logs):
    assert endpoints(logs) == set(ENDPOINTS)
    lines = logs.get("/openapi.json").json()["paths"]["/api/v1/jobs/{job_id}/logs"]
    assert set(lines["get"]["responses"]["200"]["content"]) == {"application/json", "text/event-stream", "text/plain"}
    assert set(lines["post"]["requestBody"]["content"]) == {"application/json", "application/x-ndjson"}
