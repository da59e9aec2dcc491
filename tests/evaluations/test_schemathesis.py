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
def document(evaluations):
    return schemathesis.openapi.from_url(f"{evaluations.url}/openapi.json")


@pytest.fixture
def known(new_evaluation, ready_model):
    """What is there, put in the place of every other number, most of which find nothing."""
    return {"evaluation_id": new_evaluation(), "model_id": ready_model()}


ENDPOINTS = [
    ("/api/v1/models/{model_id}/evaluate", "POST"),
    ("/api/v1/evaluations", "GET"),
    ("/api/v1/evaluations/{evaluation_id}", "GET"),
    ("/api/v1/evaluations/{evaluation_id}", "PUT"),
    ("/api/v1/evaluations/{evaluation_id}/examples", "GET"),
    ("/api/v1/datasets", "GET"),
    ("/api/v1/datasets/{name}", "PUT"),
]


ANYTHING = ("/api/v1/datasets/{name}", "PUT")
"""By the document it takes any name and any body, so nothing is there that it would not allow."""


@pytest.mark.parametrize(
    ("path", "method", "mode"),
    [
        (*each, mode)
        for each in ENDPOINTS
        for mode in GenerationMode
        if (each, mode) != (ANYTHING, GenerationMode.NEGATIVE)
    ],
)
def test_it_answers_as_documented(document, evaluations, known, path, method, mode):
    @given(document[path][method].as_strategy(generation_mode=mode))
    @settings(max_examples=20, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def check(case):
        for name, number in known.items():
            given_number = case.path_parameters.get(name)
            if type(given_number) is int and given_number % 2:
                case.path_parameters[name] = number
        case.call_and_validate(checks=CHECKS, session=evaluations.session, timeout=10)

    check()


def test_the_document_names_every_endpoint(evaluations):
    paths = evaluations.get("/openapi.json").json()["paths"]

    named = [(path, method.upper()) for path, methods in paths.items() for method in methods if method != "parameters"]
    assert sorted(named) == sorted(ENDPOINTS)
