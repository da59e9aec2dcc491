"""The endpoints of models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import request

from services.models.api import detail
from services.models.api.conditional import require_precondition
from services.models.api.request_urls import NO_STORE, request_urls
from services.models.api.schemas import (
    DeleteQuery,
    DetailSchema,
    ModelPageSchema,
    ModelRecordSchema,
    ModelsQuery,
    ModelUpdateSchema,
    NewModelSchema,
)
from services.models.archive.plan import PlanCache
from services.models.lifecycle import change_model, deletion
from services.models.logs_client import LogsClient
from services.models.records import models
from services.models.tables import Model
from shared.auth.identities import current_caller
from shared.database.pagination import Page
from shared.errors import Forbidden
from shared.http.collaborators import collaborator
from shared.http.idempotency import DOCUMENTED, created, request_key
from shared.http.service import Blueprint
from shared.s3.bucket import Bucket

blp = Blueprint("models", __name__, url_prefix="/api/v1")


@blp.get("/models")
@blp.arguments(ModelsQuery, location="query")
@blp.response(200, ModelPageSchema)
def list_models(query: dict[str, Any]) -> Page:
    """List models, newest first unless they are sorted otherwise."""
    return models.list_models(**query)


@blp.post("/models")
@blp.arguments(NewModelSchema)
@blp.response(201, ModelRecordSchema)
@blp.doc(**DOCUMENTED)
def create_model(new: dict[str, Any]) -> Any:
    """Create a model; with the status ready it consists of what lies below its storage path."""
    own = current_caller().job_id
    if own is not None and new["job_id"] != own:
        raise Forbidden(f"The scope write is missing; a job's token makes models with its job_id {own} alone.")
    _refuse_job(new, "storage_path", "eval_results")
    model, replayed = change_model.create_model(collaborator(Bucket), request_key(new), **new)
    headers = created("models.get_model", replayed=replayed, model_id=model.id)
    return model, {**headers, "ETag": detail.record_etag(model)}


@blp.get("/models/<id:model_id>")
@blp.response(200, DetailSchema)
def get_model(model_id: int) -> Any:
    """Show a model with its files, links to them, and its job."""
    shown, etag = detail.show_model(model_id, collaborator(LogsClient), collaborator(PlanCache), request_urls())
    return shown, {**NO_STORE, "ETag": etag}


@blp.put("/models/<id:model_id>")
@blp.arguments(ModelUpdateSchema)
@blp.response(200, ModelRecordSchema)
def update_model(update: dict[str, Any], model_id: int) -> Any:
    """Change the fields that are sent; the status ready freezes the model's files."""
    _refuse_job(update, "eval_results")
    changes = detail.changes_of(model_id, update)
    model = change_model.update_model(collaborator(Bucket), model_id, changes, _require_precondition)
    return model, {"ETag": detail.record_etag(model)}


def _refuse_job(fields: Mapping[str, Any], *names: str) -> None:
    """The files of others lie below a path of one's choice, and no training judges itself."""
    touched = [name for name in names if fields.get(name) is not None]
    if touched and current_caller().job_id is not None:
        raise Forbidden(f"The scope write is missing; a job's token does not set {touched[0]}.")


def _require_precondition(model: Model) -> None:
    require_precondition(request.headers.get, detail.record_etag(model))


@blp.delete("/models/<id:model_id>")
@blp.arguments(DeleteQuery, location="query")
def delete_model(query: dict[str, Any], model_id: int) -> dict[str, str]:
    """Delete a model's record, and its objects where purge is true and no other model has them."""
    kept = deletion.delete_model(collaborator(Bucket), model_id, purge=query["purge"])
    message = "Model deleted successfully"
    if kept:
        why = "other models have them" if query["purge"] else "DELETE with ?purge=true removes them"
        message += f"; {'1 object stays' if kept == 1 else f'{kept} objects stay'} in the store, {why}"
    return {"message": message}
