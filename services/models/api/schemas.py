"""The JSON of models and their files."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import validate

from services.models.api.fields import (
    MAX_METRICS_BYTES,
    Crc32,
    FilePath,
    Moment,
    ObjectPath,
    RepoId,
    StoragePath,
    TrainingMetrics,
)
from services.models.records.models import SORTS, STATUSES
from shared.http.fields import Integer, JSONObject, QueryBoolean, QueryInteger, Text, Time
from shared.http.pagination import PageQuery, page_schema
from shared.http.schemas import BodySchema, QuerySchema, UpdateSchema

_SHORT_TEXT = validate.Length(1, 255)
_STATUS = validate.OneOf(STATUSES)
MAX_SELECTED = 100
_BODY_BYTES = MAX_METRICS_BYTES + 2**20


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
