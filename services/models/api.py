"""The endpoints of models and their files."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from flask import Response, current_app, request, url_for

from services.models import deposit, details, records
from services.models.delivery import Deliveries
from services.models.downloads import Download, plan_download
from services.models.incoming import Incoming
from services.models.links import Links
from services.models.ranges import choose_reply
from services.models.schemas import (
    DeleteQuery,
    DetailSchema,
    DownloadQuery,
    FilePageSchema,
    FileRecordSchema,
    ModelPageSchema,
    ModelRecordSchema,
    ModelsQuery,
    ModelUpdateSchema,
    NewModelSchema,
)
from services.models.tables import Model
from shared.errors import Unprocessable
from shared.object_paths import path_problem
from shared.pagination import Page, PageQuery
from shared.service import Blueprint, error_response
from shared.store import Store

_NO_STORE = {"Cache-Control": "no-store"}
"""Who has a signed link has the file."""

_REFUSALS = {
    412: "The archive is not the one that If-Match names.",
    416: "The archive has no such bytes.",
}

_ZIP = {"type": "string", "format": "binary"}

blp = Blueprint("models", __name__, url_prefix="/api/v1")


@blp.get("/models")
@blp.arguments(ModelsQuery, location="query")
@blp.response(200, ModelPageSchema)
def list_models(query: dict[str, Any]) -> Page:
    """List models, newest first."""
    return records.list_models(**query)


@blp.post("/models")
@blp.arguments(NewModelSchema)
@blp.response(201, ModelRecordSchema)
def create_model(new: dict[str, Any]) -> Any:
    """Create a model; with the status ready it consists of what lies below its storage path."""
    model = records.create_model(_store(), **new)
    return model, {"Location": url_for("models.get_model", model_id=model.id)}


@blp.get("/models/<id:model_id>")
@blp.response(200, DetailSchema)
def get_model(model_id: int) -> Any:
    """Show a model with its files, links to them, and its job."""
    return details.show_model(model_id, current_app.extensions["logs"], _links()), _NO_STORE


@blp.put("/models/<id:model_id>")
@blp.arguments(ModelUpdateSchema)
@blp.response(200, ModelRecordSchema)
def update_model(update: dict[str, Any], model_id: int) -> Model:
    """Change the fields that are sent; the status ready freezes the model's files."""
    return records.update_model(_store(), model_id, details.changes_of(model_id, update))


@blp.delete("/models/<id:model_id>")
@blp.arguments(DeleteQuery, location="query")
def delete_model(query: dict[str, Any], model_id: int) -> dict[str, str]:
    """Delete a model's record, and its objects where purge is true and no other model has them."""
    records.delete_model(_store(), model_id, purge=query["purge"] == "true")
    return {"message": "Model deleted successfully"}


@blp.get("/models/<id:model_id>/files")
@blp.arguments(PageQuery, location="query")
@blp.response(200, FilePageSchema)
def list_files(query: dict[str, int], model_id: int) -> Any:
    """List a model's files by path, each with a link."""
    return details.list_files(model_id, _links(), **query), _NO_STORE


@blp.put("/models/<id:model_id>/files/<rest:path>")
@blp.response(200, FileRecordSchema)
def upload_file(model_id: int, path: str) -> deposit.Deposited:
    """Store the body as a file of the model, or as its new content."""
    _require_path(path)
    body = Incoming(request.stream, request.content_length, request.headers.get)
    return deposit.put_file(_store(), model_id, path, body)


@blp.delete("/models/<id:model_id>/files/<rest:path>")
def delete_file(model_id: int, path: str) -> dict[str, str]:
    """Delete a file of the model."""
    _require_path(path)
    deposit.remove_file(_store(), model_id, path)
    return {"message": "File deleted successfully"}


@blp.get("/models/<id:model_id>/download")
@blp.arguments(DownloadQuery, location="query")
@blp.response(200, _ZIP, content_type="application/zip")
def download_model(query: dict[str, Any], model_id: int) -> Response:
    """Stream a ready model, or a part of it, as a ZIP archive."""
    return _answer_download(plan_download(model_id, query["include"]), {})


@blp.get("/models/<id:model_id>/download/<filename>")
@blp.arguments(DownloadQuery, location="query")
@blp.response(200, _ZIP, content_type="application/zip")
def download_archive(query: dict[str, Any], model_id: int, filename: str) -> Response:
    """Send the same archive under its own name, with its length, once that is known."""
    download = plan_download(model_id, query["include"], filename)
    return _answer_download(download, {"Content-Length": str(download.length)})


def _answer_download(download: Download, headers: dict[str, str]) -> Response:
    """Answer the request's conditions and range; ``headers`` are those of the whole archive."""
    etag, length, is_head = download.etag, download.length, request.method == "HEAD"
    reply = choose_reply(request.headers.get, etag, length, ranged=not is_head)
    validators = {"Accept-Ranges": "bytes", "ETag": etag} if etag else {"Accept-Ranges": "none"}
    if reply.status in _REFUSALS:
        refused = {**validators, "Content-Range": f"bytes */{length}"} if reply.status == 416 else validators
        return error_response(reply.status, _REFUSALS[reply.status], headers=refused)
    if reply.status == 304:
        return Response(status=304, headers=validators)
    if reply.status == 206:
        content_range = f"bytes {reply.start}-{reply.stop - 1}/{length}"
        headers = {"Content-Range": content_range, "Content-Length": str(reply.stop - reply.start)}
    named = {"Content-Disposition": f"attachment; filename={download.filename}"}
    body = iter(()) if is_head else _begin(download.chunks(_store(), reply.start, reply.stop))
    headers = {**validators, **named, **headers}
    return Response(body, reply.status, headers, mimetype="application/zip", direct_passthrough=True)


def _begin(chunks: Generator[bytes]) -> Generator[bytes]:
    deliveries: Deliveries = current_app.extensions["deliveries"]
    return deliveries.begin(chunks, request.environ.get("gunicorn.socket"))


def _require_path(path: str) -> None:
    if (problem := path_problem(path)) is not None:
        raise Unprocessable.field("path", problem)


def _store() -> Store:
    store: Store = current_app.extensions["store"]
    return store


def _links() -> Links:
    return Links(current_app.extensions["settings"], request.headers.get)
