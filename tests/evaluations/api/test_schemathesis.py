"""What the service's own OpenAPI document allows, and what it does not: no 500, no answer that it leaves out."""

import pytest
from schemathesis import GenerationMode

from tests.support.databases import on
from tests.support.openapi import check_endpoint, endpoints

ENDPOINTS = [
    ("/api/v1/models/{model_id}/evaluate", "POST"),
    ("/api/v1/evaluations", "GET"),
    ("/api/v1/evaluations/{evaluation_id}", "GET"),
    ("/api/v1/evaluations/{evaluation_id}", "PUT"),
    ("/api/v1/evaluations/{evaluation_id}/cancel", "POST"),
    ("/api/v1/evaluations/{evaluation_id}/retry", "POST"),
    ("/api/v1/evaluations/{evaluation_id}/score", "POST"),
    ("/api/v1/evaluations/{evaluation_id}/examples", "GET"),
    ("/api/v1/datasets", "GET"),
    ("/api/v1/datasets/{name}", "PUT"),
    ("/api/v1/datasets/{name}", "GET"),
    ("/api/v1/datasets/{name}", "DELETE"),
    ("/api/v1/datasets/{name}/rows", "GET"),
    ("/api/v1/datasets/{name}/download", "GET"),
    ("/api/v1/datasets/{name}/ranking", "GET"),
]

ANYTHING = {
    ("/api/v1/datasets/{name}", "PUT"),
    ("/api/v1/datasets/{name}", "GET"),
    ("/api/v1/datasets/{name}", "DELETE"),
    ("/api/v1/datasets/{name}/download", "GET"),
}
"""By the document these take any name and any body, so nothing is there that they would not allow."""


@pytest.fixture
def known(new_evaluation, ready_model):
    return {"evaluation_id": new_evaluation(), "model_id": ready_model()}


@on("postgresql")
@pytest.mark.parametrize(
    ("path", "method", "mode"),
    [
        (*each, mode)
        for each in ENDPOINTS
        for mode in GenerationMode
        if each not in ANYTHING or mode != GenerationMode.NEGATIVE
    ],
)
def test_it_answers_as_documented(evaluations, known, path, method, mode):
    check_endpoint(evaluations, path, method, mode, known)


def test_the_document_names_every_endpoint(evaluations):
    assert endpoints(evaluations) == set(ENDPOINTS)
