"""The JSON of jobs and their metrics."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import validate

from services.logs.jobs import STATUSES
from services.logs.metrics.trainer_lines import MAX_NAME_CHARS
from shared.http.fields import Integer, JSONObject, Number, QueryInteger, Text, Time
from shared.http.pagination import PageQuery, page_schema
from shared.http.schemas import BodySchema, QuerySchema, UpdateSchema

MAX_SEARCH = 255
"""Characters of a text that is searched for, in names or in lines."""

ORDER = validate.OneOf(("asc", "desc"))


class DatasetId(ma.fields.Integer):
    """A job without a dataset has 0 in its row, and null in the API."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return super()._serialize(value, attr, obj, **kwargs) if value else None


class JobSchema(ma.Schema):
    id = ma.fields.Integer(data_key="ID")
    dataset_id = DatasetId(allow_none=True)
    status = ma.fields.String()
    configuration = ma.fields.Dict()
    created_at = Time()
    started_at = Time(allow_none=True)
    completed_at = Time(allow_none=True)
    name = ma.fields.String(allow_none=True)
    kernel = ma.fields.String(allow_none=True)
    last_seen_at = Time(allow_none=True)
    heartbeat_s = ma.fields.Integer(allow_none=True)
    progress = ma.fields.Float(allow_none=True)
    error = ma.fields.String(allow_none=True)
    log_expired_at = Time(allow_none=True)


class ListedJobSchema(JobSchema):
    metrics = ma.fields.Dict()
    """Only where the list was asked for them."""


JobPageSchema = page_schema(ListedJobSchema, "JobPage")


class NewJobSchema(BodySchema):
    dataset_id = Integer(minimum=1, load_default=None, allow_none=True)
    name = ma.fields.String(load_default=None, allow_none=True, validate=validate.Length(1, 255))
    configuration = JSONObject(load_default=dict)


class JobUpdateSchema(UpdateSchema):
    status = ma.fields.String(required=True, validate=validate.OneOf(STATUSES))
    kernel = ma.fields.String(load_default=None, allow_none=True, validate=validate.Length(1, 255))
    heartbeat_s = Integer(minimum=10, maximum=3600, allow_none=True)
    progress = Number(allow_none=True, validate=validate.Range(0, 1))
    error = ma.fields.String(allow_none=True, validate=validate.Length(1, 1000))


class JobsQuery(PageQuery):
    status = Text(validate=validate.OneOf(STATUSES))
    dataset_id = QueryInteger(minimum=1)
    q = Text(validate=validate.Length(1, MAX_SEARCH))
    metrics = ma.fields.List(
        Text(validate=validate.Length(1, MAX_NAME_CHARS)), load_default=list, validate=validate.Length(max=10)
    )
    order = Text(load_default="desc", validate=ORDER)


class StoredMetricsSchema(ma.Schema):
    count = ma.fields.Integer()


class MetricsQuery(QuerySchema):
    name = ma.fields.List(Text(validate=validate.Length(1, MAX_NAME_CHARS)), load_default=list)
    after_step = QueryInteger(load_default=-1)
    max_points = QueryInteger(minimum=2, maximum=10_000, load_default=1_000)


class SeriesSchema(ma.Schema):
    name = ma.fields.String()
    count = ma.fields.Integer()
    first_step = ma.fields.Integer()
    last_step = ma.fields.Integer()
    min = ma.fields.Float(allow_none=True)
    max = ma.fields.Float(allow_none=True)
    last = ma.fields.Raw()
    points = ma.fields.List(ma.fields.List(ma.fields.Raw(allow_none=True)))


class MetricsSchema(ma.Schema):
    """A job's curves as the OpenAPI document describes them; a point is step, value, timestamp and line."""

    job_id = ma.fields.Integer()
    source = ma.fields.String(allow_none=True)
    complete = ma.fields.Boolean()
    read_to = ma.fields.Integer()
    series = ma.fields.List(ma.fields.Nested(SeriesSchema))
