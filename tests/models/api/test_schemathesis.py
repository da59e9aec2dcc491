"""What the service's own OpenAPI document allows, and what it does not: no 500, no answer that it leaves out."""

import pytest
from schemathesis import GenerationMode

from tests.support.databases import on
from tests.support.openapi import check_endpoint, endpoints

ENDPOINTS = [
    ("/api/v1/models", "GET"),
    ("/api/v1/models", "POST"),
    ("/api/v1/models/{model_id}", "GET"),
    ("/api/v1/models/{model_id}", "PUT"),
    ("/api/v1/models/{model_id}", "DELETE"),
    ("/api/v1/models/{model_id}/files", "GET"),
    ("/api/v1/models/{model_id}/files/{path}", "PUT"),
    ("/api/v1/models/{model_id}/files/{path}", "DELETE"),
    ("/api/v1/models/{model_id}/uploads", "GET"),
    ("/api/v1/models/{model_id}/uploads", "POST"),
    ("/api/v1/models/{model_id}/uploads/{upload_id}", "GET"),
    ("/api/v1/models/{model_id}/uploads/{upload_id}", "DELETE"),
    ("/api/v1/models/{model_id}/uploads/{upload_id}/complete", "POST"),
    ("/api/v1/models/{model_id}/download", "GET"),
]

ANYTHING = "/api/v1/models/{model_id}/files/{path}"
"""By the document its path is any text, so nothing is there that it would not allow."""


@pytest.fixture
def known(models):
    model = models.post("/api/v1/models", json={"name": "m", "base_model": "b"}).json()["ID"]
    models.put(f"/api/v1/models/{model}/files/weights.bin", data=b"weights")
    upload = models.post(f"/api/v1/models/{model}/uploads", json={"path": "big.bin", "size": 5}).json()["upload_id"]
    return {"model_id": model, "upload_id": upload}


@on("postgresql")
@pytest.mark.parametrize(
    ("path", "method", "mode"),
    [
        (path, method, mode)
        for path, method in ENDPOINTS
        for mode in GenerationMode
        if (path, mode) != (ANYTHING, GenerationMode.NEGATIVE)
    ],
)
def test_it_answers_as_documented(models, known, path, method, mode):
    check_endpoint(models, path, method, mode, known)


def test_the_document_names_every_endpoint(models):
    assert endpoints(models) >= set(ENDPOINTS)
