"""The endpoints of a model's files."""

from __future__ import annotations

from typing import Any

from flask import request

from services.models.api import detail
from services.models.api.request_urls import NO_STORE, request_urls
from services.models.api.schemas import FilePageSchema, FileRecordSchema
from services.models.files import put_file
from shared.errors import Unprocessable
from shared.http.collaborators import collaborator
from shared.http.pagination import PageQuery
from shared.http.service import Blueprint
from shared.s3.bucket import Bucket
from shared.s3.object_paths import path_problem

blp = Blueprint("files", __name__, url_prefix="/api/v1")


@blp.get("/models/<id:model_id>/files")
@blp.arguments(PageQuery, location="query")
@blp.response(200, FilePageSchema)
def list_files(query: dict[str, int], model_id: int) -> Any:
    """List a model's files by path, each with a link."""
    return detail.list_files(model_id, request_urls(), **query), NO_STORE


@blp.put("/models/<id:model_id>/files/<rest:path>")
@blp.response(200, FileRecordSchema)
def upload_file(model_id: int, path: str) -> put_file.FileRecord:
    """Store the body as a file of the model, or as its new content."""
    _require_path(path)
    body = (request.stream, request.content_length, request.headers.get)
    return put_file.put_file(collaborator(Bucket), model_id, path, *body)


@blp.delete("/models/<id:model_id>/files/<rest:path>")
def delete_file(model_id: int, path: str) -> dict[str, str]:
    """Delete a file of the model."""
    _require_path(path)
    put_file.remove_file(collaborator(Bucket), model_id, path)
    return {"message": "File deleted successfully"}


def _require_path(path: str) -> None:
    if (problem := path_problem(path)) is not None:
        raise Unprocessable.field("path", problem)
