"""The endpoints of test sets."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from services.evaluations.api.test_set_schemas import (
    RankingQuery,
    RankingSchema,
    ReadingQuery,
    RowPageSchema,
    TestSetDetailSchema,
    TestSetPageSchema,
    TestSetSchema,
)
from services.evaluations.datasets import set_access, test_sets
from services.evaluations.datasets.row_shapes import Reading
from services.evaluations.records.ranking import rank_models
from services.evaluations.tables import TestSet
from shared.database.pagination import Page
from shared.http.bare_body import require_bare_body
from shared.http.collaborators import collaborator
from shared.http.pagination import PageQuery
from shared.http.service import Blueprint
from shared.s3.bucket import Bucket

blp = Blueprint("test_sets", __name__, url_prefix="/api/v1")


@blp.get("/datasets")
@blp.arguments(PageQuery, location="query")
@blp.response(200, TestSetPageSchema)
def list_test_sets(query: dict[str, int]) -> Page:
    """List the test sets that were uploaded, newest first."""
    return test_sets.list_sets(**query)


@blp.put("/datasets/<rest:name>")
@blp.arguments(ReadingQuery, location="query")
@blp.response(200, TestSetSchema)
def upload_test_set(query: dict[str, Any], name: str) -> TestSet:
    """Store the body, a JSON array, JSON Lines, CSV or TSV, as a test set."""
    require_bare_body()
    return test_sets.upload(collaborator(Bucket), name, request.stream, request.content_length, Reading(**query))


@blp.get("/datasets/<name>")
@blp.response(200, TestSetDetailSchema)
def get_test_set(name: str) -> TestSet:
    """Show a test set: rows, labels and class sizes, duplicates, fields."""
    return test_sets.find_set(name)


@blp.get("/datasets/<name>/rows")
@blp.arguments(PageQuery, location="query")
@blp.response(200, RowPageSchema)
def list_rows(query: dict[str, int], name: str) -> Page:
    """List a test set's rows in their order, as they are read."""
    return set_access.page_rows(collaborator(Bucket), name, **query)


@blp.get("/datasets/<name>/download")
@blp.alt_response(200, description="The bytes that were uploaded.", success=True)
def download_test_set(name: str) -> Response:
    """Download a test set as it was uploaded."""
    chunks, size, media_type = set_access.open_set(collaborator(Bucket), name)
    body = () if request.method == "HEAD" else chunks
    response = Response(body, mimetype=media_type, headers={"Content-Length": str(size)})
    response.headers.set("Content-Disposition", "attachment", filename=name)
    return response


@blp.get("/datasets/<name>/ranking")
@blp.arguments(RankingQuery, location="query")
@blp.response(200, RankingSchema)
def get_ranking(query: dict[str, Any], name: str) -> dict[str, Any]:
    """Rank the models that were evaluated on a test set, and say which differences are real."""
    return rank_models(name, query["scoring"])


@blp.delete("/datasets/<name>")
def delete_test_set(name: str) -> dict[str, str]:
    """Delete a test set that no open evaluation uses."""
    set_access.delete_set(collaborator(Bucket), name)
    return {"message": "Test set deleted successfully"}
