"""The endpoints of test sets."""

from __future__ import annotations

from flask import request

from services.evaluations.api.schemas import TestSetPageSchema, TestSetSchema
from services.evaluations.datasets import test_sets
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
@blp.response(200, TestSetSchema)
def upload_test_set(name: str) -> TestSet:
    """Store the body, a JSON array or JSON Lines of `{"input", "expected"}`, as a test set."""
    require_bare_body()
    return test_sets.upload(collaborator(Bucket), name, request.stream, request.content_length)
