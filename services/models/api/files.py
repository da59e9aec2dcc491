"""The endpoints of a model's files."""

from __future__ import annotations

import unicodedata
from functools import partial
from typing import Any

from flask import Response, request

from services.models.api import detail
from services.models.api.conditional import require_precondition
from services.models.api.request_urls import NO_STORE, request_urls
from services.models.api.schemas import FilePageSchema, FileRecordSchema
from services.models.files import put_file
from shared.errors import Unprocessable
from shared.http.bare_body import require_bare_body
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
def upload_file(model_id: int, path: str) -> Any:
    """Store the body as a file of the model, or as its new content."""
    path = _checked(path)
    require_bare_body()
    body = (request.stream, request.content_length, request.headers.get, _precondition())
    record = put_file.put_file(collaborator(Bucket), model_id, path, *body)
    return record, {"ETag": f'"{record.etag}"'}


@blp.get("/models/<id:model_id>/files/<rest:path>")
@blp.alt_response(302, description="To a fresh link.", success=True)
def get_file(model_id: int, path: str) -> Response:
    """Redirect to a fresh link to a file."""
    url = detail.file_url(model_id, path, request_urls())
    return Response(status=302, headers={**NO_STORE, "Location": url})


def _precondition() -> put_file.Precondition | None:
    """Return the condition under which the request is to be carried out, or None."""
    if "If-Match" not in request.headers and "If-None-Match" not in request.headers:
        return None
    return partial(require_precondition, request.headers.get)


@blp.delete("/models/<id:model_id>/files/<rest:path>")
def delete_file(model_id: int, path: str) -> dict[str, str]:
    """Delete a file of the model."""
    path = _checked(path)
    put_file.remove_file(collaborator(Bucket), model_id, path, _precondition())
    return {"message": "File deleted successfully"}


def _checked(path: str) -> str:
    """Return the path composed (NFC), as files are kept; Unprocessable where no file system could hold it."""
    if (problem := path_problem(path)) is not None:
        raise Unprocessable.field("path", problem)
    return unicodedata.normalize("NFC", path)
