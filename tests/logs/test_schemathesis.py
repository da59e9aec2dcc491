"""What the service's own OpenAPI document allows, and what it does not: no 500, no answer that it leaves out."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    allow_header_conformance,
]


@pytest.fixture(scope="module")
def document(logs):
    return schemathesis.openapi.from_url(f"{logs.url}/openapi.json")


@pytest.fixture(scope="module")
def some_job(logs):
    job = logs.post("/api/v1/jobs", json={"dataset_id": 1}).json()["ID"]
    logs.post(f"/api/v1/jobs/{job}/logs", json={"logs": [{"message": "x"}] * 20})
    return job


ENDPOINTS = [
    ("/api/v1/jobs", "GET"),
    ("/api/v1/jobs", "POST"),
    ("/api/v1/jobs/{job_id}", "GET"),
    ("/api/v1/jobs/{job_id}", "PUT"),
    ("/api/v1/jobs/{job_id}/logs", "GET"),
    ("/api/v1/jobs/{job_id}/logs", "POST"),
]


@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize(("path", "method"), ENDPOINTS)
def test_it_answers_as_documented(document, logs, some_job, path, method, mode):
    @given(document[path][method].as_strategy(generation_mode=mode))
    @settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def check(case):
        job_id = case.path_parameters.get("job_id")
        if type(job_id) is int and job_id % 2:
            case.path_parameters["job_id"] = some_job
        # A stream would go on for minutes.
        json_only = {"Accept": "application/json"}
        case.call_and_validate(headers=json_only, checks=CHECKS, session=logs.session, timeout=10)

    check()


def test_the_document_names_every_endpoint(logs):
    paths = logs.get("/openapi.json").json()["paths"]

    assert {path: sorted(set(methods) - {"parameters"}) for path, methods in paths.items()} == {
        "/api/v1/jobs": ["get", "post"],
        "/api/v1/jobs/{job_id}": ["get", "put"],
        "/api/v1/jobs/{job_id}/logs": ["get", "post"],
    }
    assert set(paths["/api/v1/jobs/{job_id}/logs"]["get"]["responses"]["200"]["content"]) == {
        "application/json",
        "text/event-stream",
    }
    assert set(paths["/api/v1/jobs/{job_id}/logs"]["post"]["requestBody"]["content"]) == {
        "application/json",
        "application/x-ndjson",
    }
