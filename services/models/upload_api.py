"""The endpoints of uploads in parts."""

from __future__ import annotations

from typing import Any

from flask import current_app, request, url_for

from services.models import uploads
from services.models.deposit import Deposited
from services.models.links import Links
from services.models.schemas import FileRecordSchema
from services.models.upload_schemas import CompleteSchema, NewUploadSchema, UploadPageSchema, UploadProgressSchema
from shared.pagination import Page, PageQuery
from shared.service import Blueprint
from shared.store import Store

_NO_STORE = {"Cache-Control": "no-store"}
"""Who has a part's link can write the part."""

blp = Blueprint("uploads", __name__, url_prefix="/api/v1")


@blp.get("/models/<id:model_id>/uploads")
@blp.arguments(PageQuery, location="query")
@blp.response(200, UploadPageSchema)
def list_uploads(query: dict[str, int], model_id: int) -> Page:
    """List a model's uploads in parts, newest first."""
    return uploads.list_uploads(model_id, **query)


@blp.post("/models/<id:model_id>/uploads")
@blp.arguments(NewUploadSchema)
@blp.response(201, UploadProgressSchema)
def begin_upload(new: dict[str, Any], model_id: int) -> Any:
    """Begin an upload in parts; each part is PUT to its own link."""
    upload = uploads.begin_upload(_store(), model_id, links=_links(), **new)
    place = url_for("uploads.get_upload", model_id=model_id, upload_id=upload["id"])
    return upload, {**_NO_STORE, "Location": place}


@blp.get("/models/<id:model_id>/uploads/<id:upload_id>")
@blp.response(200, UploadProgressSchema)
def get_upload(model_id: int, upload_id: int) -> Any:
    """Show an upload, with fresh links to what is missing of it."""
    return uploads.show_upload(_store(), model_id, upload_id, _links()), _NO_STORE


@blp.post("/models/<id:model_id>/uploads/<id:upload_id>/complete")
@blp.arguments(CompleteSchema)
@blp.response(200, FileRecordSchema)
def complete_upload(body: dict[str, Any], model_id: int, upload_id: int) -> Deposited:
    """Join the parts to the file; again, it answers the same."""
    return uploads.complete_upload(_store(), model_id, upload_id, body["parts"])


@blp.delete("/models/<id:model_id>/uploads/<id:upload_id>")
def abort_upload(model_id: int, upload_id: int) -> dict[str, str]:
    """Drop an open upload and what came of it."""
    uploads.abort_upload(_store(), model_id, upload_id)
    return {"message": "Upload deleted successfully"}


def _store() -> Store:
    store: Store = current_app.extensions["store"]
    return store


def _links() -> Links:
    return Links(current_app.extensions["settings"], request.headers.get)
