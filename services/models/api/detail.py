"""The detail of a model: its record with files, links, job and evaluation results."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from services.models.api.schemas import ModelRecordSchema, ModelUpdateSchema
from services.models.archive.download import archive_name
from services.models.archive.plan import PlanCache
from services.models.files import file_records
from services.models.logs_client import LogsClient
from services.models.presigned_urls import PresignedUrls
from services.models.records.display_names import name_files
from services.models.records.models import get_model
from services.models.tables import File, Model
from shared.database.pagination import Page
from shared.http.schemas import only_changes

LISTED_FILES = 1000

_FLEETING = frozenset({"job", "file_list", "links_expire_at"})
"""Differ from one answer to the next (signatures, another service's record), so a PUT may send them with any value."""


def show_model(model_id: int, logs: LogsClient, plans: PlanCache, urls: PresignedUrls) -> tuple[dict[str, Any], str]:
    """Return the model's detail and the etag of its record, or raise NotFound."""
    model = get_model(model_id)
    sizes = file_records.file_sizes(model_id)
    named = _named(model, sizes)
    listed = file_records.first_files(model_id, LISTED_FILES)
    record = model.__data__ | {
        "repo_id": model.repo_id,
        "job": logs.find_job(model.job_id),
        "files": named,
        "file_list": [_show_file(model, row, urls) for row in listed],
        "links_expire_at": urls.expire_at,
    }
    links = _download_links(model, list(sizes), plans, urls)
    return {"model": record, "download_links": links, "files": named}, record_etag(model)


def list_files(model_id: int, urls: PresignedUrls, *, page: int, limit: int) -> Page:
    """Return a page of the model's files, each with its link, or raise NotFound."""
    model, found = file_records.list_files(model_id, page=page, limit=limit)
    data = [_show_file(model, row, urls) for row in found.data]
    return Page(data=data, total=found.total, page=page, limit=limit)


def file_url(model_id: int, path: str, urls: PresignedUrls) -> str:
    """Return a fresh link to a file; NotFound, Conflict (known to be wrong) or Unavailable (being verified)."""
    model, file = file_records.find_file(model_id, path)
    file_records.require_trusted(file)
    return urls.object_url(f"{model.storage_path}/{file.path}")


def record_etag(model: Model) -> str:
    """Return the quoted etag of a model's record."""
    shown = json.dumps(ModelRecordSchema().dump(model), sort_keys=True)
    return f'"{hashlib.sha256(shown.encode()).hexdigest()[:32]}"'


def changes_of(model_id: int, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a PUT body changes of the model; NotFound, or Unprocessable for a read-only field's new value."""
    model = get_model(model_id)
    present = ModelRecordSchema().dump(model)
    if "files" in body:
        present["files"] = _named(model, file_records.file_sizes(model_id))
    sent = {name: value for name, value in body.items() if name not in _FLEETING}
    return only_changes(sent, ModelUpdateSchema, present)


def _named(model: Model, sizes: Mapping[str, int]) -> dict[str, int]:
    names = name_files(sizes, model.folders)
    return {names[path]: size for path, size in sizes.items()}


def _show_file(model: Model, row: File, urls: PresignedUrls) -> dict[str, Any]:
    """Return a file's record; one that is not what its sender said, or may not be, has no link."""
    url = urls.object_url(f"{model.storage_path}/{row.path}") if file_records.is_trusted(row) else None
    return {**row.__data__, "url": url}


def _download_links(model: Model, paths: list[str], plans: PlanCache, urls: PresignedUrls) -> dict[str, str | None]:
    folders = {"lora_adapters": model.lora_adapters_path, "gguf": model.gguf_path}
    if model.status != "ready":  # its archives would be refused
        return dict.fromkeys((*folders, "archive"))
    name = _archive_name(model, plans)
    links = {
        folder: urls.folder_url(model.id, model.storage_path, path, paths, name) for folder, path in folders.items()
    }
    whole = None if name is None else urls.api_url(f"/api/v1/models/{model.id}/download/{name}")
    return links | {"archive": whole}


def _archive_name(model: Model, plans: PlanCache) -> str | None:
    """Return the name of the address that never has other bytes, or None while checksums are unknown."""
    if not file_records.has_all_checksums(model.id):
        return None
    digest = plans.get(model).digest
    return None if digest is None else archive_name(model, digest)
