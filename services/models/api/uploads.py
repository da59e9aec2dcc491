"""The endpoints of multipart uploads."""

from __future__ import annotations

from typing import Any

from flask import url_for

from services.models.api.request_urls import NO_STORE, request_urls
from services.models.api.schemas import FileRecordSchema
from services.models.api.upload_schemas import CompleteSchema, NewUploadSchema, UploadPageSchema, UploadProgressSchema
from services.models.files import multipart_uploads
from services.models.tables import File
from shared.database.pagination import Page
from shared.http.collaborators import collaborator
from shared.http.pagination import PageQuery
from shared.http.service import Blueprint
from shared.s3.bucket import Bucket

blp = Blueprint("uploads", __name__, url_prefix="/api/v1")


@blp.get("/models/<id:model_id>/uploads")
@blp.arguments(PageQuery, location="query")
@blp.response(200, UploadPageSchema)
def list_uploads(query: dict[str, int], model_id: int) -> Page:
    """List a model's multipart uploads, newest first."""
    return multipart_uploads.list_uploads(model_id, **query)


@blp.post("/models/<id:model_id>/uploads")
@blp.arguments(NewUploadSchema)
@blp.response(201, UploadProgressSchema)
def begin_upload(new: dict[str, Any], model_id: int) -> Any:
    """Begin a multipart upload; each part is PUT to its own presigned URL."""
    upload = multipart_uploads.begin_upload(collaborator(Bucket), model_id, urls=request_urls(), **new)
    place = url_for("uploads.get_upload", model_id=model_id, upload_id=upload["id"])
    return upload, {**NO_STORE, "Location": place}


@blp.get("/models/<id:model_id>/uploads/<id:upload_id>")
@blp.response(200, UploadProgressSchema)
def get_upload(model_id: int, upload_id: int) -> Any:
    """Show an upload, with fresh links to what is missing of it."""
    return multipart_uploads.show_upload(collaborator(Bucket), model_id, upload_id, request_urls()), NO_STORE


@blp.post("/models/<id:model_id>/uploads/<id:upload_id>/complete")
@blp.arguments(CompleteSchema)
@blp.response(200, FileRecordSchema)
def complete_upload(body: dict[str, Any], model_id: int, upload_id: int) -> File:
    """Make the parts the file; idempotent."""
    return multipart_uploads.complete_upload(collaborator(Bucket), model_id, upload_id, body["parts"])


@blp.delete("/models/<id:model_id>/uploads/<id:upload_id>")
def abort_upload(model_id: int, upload_id: int) -> dict[str, str]:
    """Abort an open upload and drop what came of it."""
    multipart_uploads.abort_upload(collaborator(Bucket), model_id, upload_id)
    return {"message": "Upload deleted successfully"}
