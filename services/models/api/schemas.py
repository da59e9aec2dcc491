"""The JSON of models, their files and their uploads."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, time
from typing import Any

import marshmallow as ma
from marshmallow import validate

from services.models.files.staged_objects import FOLDER as STAGING
from services.models.records.models import SORTS, STATUSES
from services.models.repo_ids import namespace_of, repo_id_problem
from shared.auth.identities import current_caller
from shared.http.fields import (
    BodySchema,
    Integer,
    Items,
    JSONObject,
    QueryBoolean,
    QueryInteger,
    QuerySchema,
    Text,
    Time,
    UpdateSchema,
)
from shared.http.pagination import PageQuery, page_schema
from shared.s3.multipart import MAX_OBJECT_BYTES, MAX_PARTS
from shared.s3.object_paths import path_problem
from shared.timestamps import parse_time

_SHORT_TEXT = validate.Length(1, 255)
_STATUS = validate.OneOf(STATUSES)
MAX_SELECTED = 100
MAX_METRICS_BYTES = 4 * 2**20
_BODY_BYTES = MAX_METRICS_BYTES + 2**20


class Crc32(ma.fields.Field[int]):
    """Eight hexadecimal digits."""

    def _serialize(self, value: int | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else f"{value:08x}"


class ObjectPath(Text):
    """A path that every file system can hold."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        path = super()._deserialize(value, attr, data, **kwargs)
        if (problem := path_problem(path)) is not None:
            raise ma.ValidationError(problem)
        return path


class StoragePath(ObjectPath):
    """A path where a model may lie."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        path = super()._deserialize(value, attr, data, **kwargs)
        if f"{path}/".startswith(f"{STAGING}/"):
            raise ma.ValidationError(f"What lies below {STAGING}/ is being pushed, and swept after a day.")
        return path


class TrainingMetrics(JSONObject):
    """An object of at most 4 MiB; figures that are no numbers come as the strings ``"NaN"`` and ``"Infinity"``."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        metrics = super()._deserialize(value, attr, data, **kwargs)
        if len(json.dumps(metrics, ensure_ascii=False)) > MAX_METRICS_BYTES:
            raise ma.ValidationError(f"Must have at most {MAX_METRICS_BYTES} bytes.")
        return metrics


class FilePath(ObjectPath):
    """The path of a file, composed (NFC): one that a Mac spells decomposed is the same file."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        return unicodedata.normalize("NFC", super()._deserialize(value, attr, data, **kwargs))


class RepoId(Text):
    """A repository id; a name without a namespace lies in the namespace of whoever sends it."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        name = super()._deserialize(value, attr, data, **kwargs)
        repo_id = name if "/" in name else f"{namespace_of(current_caller().name)}/{name}"
        if (problem := repo_id_problem(repo_id)) is not None:
            raise ma.ValidationError(problem)
        return repo_id


class Moment(ma.fields.Field[datetime]):
    """A time, or a date: then its first moment or, for ``last``, its last."""

    def __init__(self, *, last: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._clock = time.max if last else time.min

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> datetime:
        try:
            if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", str(value)):
                return datetime.combine(datetime.fromisoformat(value), self._clock, UTC)
            return parse_time(value)
        except ValueError as error:
            form = "Must be a date, as 2024-02-19, or a time in RFC 3339, as 2024-02-19T10:30:45Z."
            raise ma.ValidationError(str(error) if "%2B" in str(error) else form) from error


class FileRecordSchema(ma.Schema):
    path = ma.fields.String()
    size = ma.fields.Integer()
    crc32 = Crc32(allow_none=True)
    sha256 = ma.fields.String(allow_none=True)


class FileSchema(FileRecordSchema):
    error = ma.fields.String(allow_none=True)
    url = ma.fields.String(allow_none=True)


FilePageSchema = page_schema(FileSchema, "FilePage")


class ModelSchema(ma.Schema):
    """A model in the list."""

    id = ma.fields.Integer(data_key="ID")
    name = ma.fields.String()
    description = ma.fields.String()
    base_model = ma.fields.String()
    type = ma.fields.String()
    job_id = ma.fields.Integer(allow_none=True)
    served_name = ma.fields.String()
    storage_path = ma.fields.String()
    lora_adapters_path = ma.fields.String()
    gguf_path = ma.fields.String()
    training_metrics = ma.fields.Dict()
    status = ma.fields.String()
    total_size = ma.fields.Integer()
    repo_id = ma.fields.String()
    created_at = Time()
    updated_at = Time()


ModelPageSchema = page_schema(ModelSchema, "ModelPage")


class ModelRecordSchema(ModelSchema):
    """A model as it answers a change."""

    eval_results = ma.fields.Dict(allow_none=True)


class _ModelDetailSchema(ModelRecordSchema):
    job = ma.fields.Dict(allow_none=True)
    files = ma.fields.Dict(keys=ma.fields.String(), values=ma.fields.Integer())
    file_list = ma.fields.List(ma.fields.Nested(FileSchema))
    links_expire_at = Time()


class DetailSchema(ma.Schema):
    model = ma.fields.Nested(_ModelDetailSchema)
    download_links = ma.fields.Dict(keys=ma.fields.String(), values=ma.fields.String(allow_none=True))
    files = ma.fields.Dict(keys=ma.fields.String(), values=ma.fields.Integer())


class NewModelSchema(BodySchema):
    body_limit = _BODY_BYTES

    name = ma.fields.String(required=True, validate=_SHORT_TEXT)
    description = ma.fields.String(load_default="", validate=validate.Length(max=10_000))
    base_model = ma.fields.String(required=True, validate=_SHORT_TEXT)
    type = ma.fields.String(load_default="lora", validate=_SHORT_TEXT)
    job_id = Integer(minimum=1, load_default=None, allow_none=True)
    served_name = ma.fields.String(load_default=None, validate=_SHORT_TEXT)
    storage_path = StoragePath(load_default=None)
    lora_adapters_path = ObjectPath(load_default=None)
    gguf_path = ObjectPath(load_default=None)
    training_metrics = TrainingMetrics(load_default=dict)
    eval_results = JSONObject(load_default=None, allow_none=True)
    status = ma.fields.String(load_default="uploading", validate=_STATUS)
    own_repo_id = RepoId(data_key="repo_id", load_default=None, allow_none=True)


class ModelUpdateSchema(UpdateSchema):
    body_limit = _BODY_BYTES

    allow_empty = ma.fields.Boolean(truthy={True}, falsy={False})
    name = ma.fields.String(validate=_SHORT_TEXT)
    description = ma.fields.String(validate=validate.Length(max=10_000))
    base_model = ma.fields.String(validate=_SHORT_TEXT)
    type = ma.fields.String(validate=_SHORT_TEXT)
    served_name = ma.fields.String(validate=_SHORT_TEXT)
    lora_adapters_path = ObjectPath()
    gguf_path = ObjectPath()
    training_metrics = TrainingMetrics()
    eval_results = JSONObject(allow_none=True)
    status = ma.fields.String(validate=_STATUS)


class ModelsQuery(PageQuery):
    base_model = Text()
    status = Text(validate=_STATUS)
    job_id = QueryInteger(minimum=1)
    type = Text()
    date_from = Moment(load_default=None)
    date_to = Moment(last=True, load_default=None)
    q = Text(load_default=None)
    sort = Text(load_default="created_at", validate=validate.OneOf(SORTS))
    order = Text(load_default=None, validate=validate.OneOf(("asc", "desc")))


class DownloadQuery(QuerySchema):
    """What a download has; each parameter may come several times."""

    include = ma.fields.List(FilePath(), load_default=list, validate=validate.Length(max=MAX_SELECTED))
    excluded = ma.fields.List(
        Text(validate=_SHORT_TEXT),
        load_default=list,
        data_key="exclude",
        validate=validate.Length(max=MAX_SELECTED),
    )


class DeleteQuery(QuerySchema):
    purge = QueryBoolean(load_default=False)


class NewUploadSchema(BodySchema):
    path = FilePath(required=True)
    size = Integer(required=True, minimum=0, maximum=MAX_OBJECT_BYTES)
    sha256 = ma.fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Regexp("[0-9a-fA-F]{64}\\Z", error="Must be 64 hexadecimal digits."),
    )


class UploadSchema(ma.Schema):
    upload_id = ma.fields.Integer(attribute="id")
    path = ma.fields.String()
    size = ma.fields.Integer()
    part_size = ma.fields.Integer()
    status = ma.fields.String()
    expires_at = Time()


UploadPageSchema = page_schema(UploadSchema, "UploadPage")


class _PartLinkSchema(ma.Schema):
    number = ma.fields.Integer()
    url = ma.fields.String()


class _PartSchema(BodySchema):
    number = Integer(required=True, minimum=1, maximum=MAX_PARTS)
    etag = ma.fields.String(required=True, validate=validate.Length(1, 255))


class UploadProgressSchema(UploadSchema):
    """An upload with links to what is missing of it."""

    parts = ma.fields.List(ma.fields.Nested(_PartLinkSchema))
    uploaded = ma.fields.List(ma.fields.Nested(_PartSchema))


class CompleteSchema(BodySchema):
    parts = Items(ma.fields.Nested(_PartSchema), required=True, validate=validate.Length(max=MAX_PARTS))
