"""The JSON of jobs and log lines."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import validate

from services.logs.jobs import STATUSES
from services.logs.lines.levels import LEVEL_NUMBERS, LEVELS, Level
from services.logs.lines.parse import MAX_SOURCE
from services.logs.metrics.trainer_lines import MAX_NAME_CHARS
from shared.http import idempotency
from shared.http.fields import (
    MAX_ID,
    BodySchema,
    Integer,
    JSONObject,
    Number,
    QueryBoolean,
    QueryInteger,
    QuerySchema,
    Text,
    Time,
    UpdateSchema,
)
from shared.http.pagination import PageQuery, page_schema

MAX_SEARCH = 255

_ORDER = validate.OneOf(("asc", "desc"))


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
    order = Text(load_default="desc", validate=_ORDER)


_LINE = {
    "type": "object",
    "required": ["message"],
    "additionalProperties": False,
    "properties": {
        "level": {"type": "string", "description": f"In any case: {', '.join(LEVEL_NUMBERS)}."},
        "message": {"type": "string", "description": "At most 256 KiB in UTF-8."},
        "source": {"type": "string", "minLength": 1, "maxLength": MAX_SOURCE},
        "timestamp": {"type": "string", "format": "date-time"},
    },
}
_LINES = {
    "type": "object",
    "required": ["logs"],
    "additionalProperties": False,
    "properties": {"logs": {"type": "array", "minItems": 1, "items": _LINE}},
}
LINES_DOCUMENTED: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"oneOf": [_LINE, _LINES]}},
            "application/x-ndjson": {"schema": {"type": "string"}},
        },
    },
    "parameters": [
        *idempotency.DOCUMENTED["parameters"],
        {"in": "query", "name": "unknown", "schema": {"type": "string", "enum": ["refuse", "ignore"]}},
    ],
}
"""What a POST of lines takes, for the OpenAPI document; ``parse.read_batch`` reads it without marshmallow."""


class LinesQuery(QuerySchema):
    """Which lines of a job's log: of a level and above, from a source, with a text in them, case-blind."""

    level = Level(load_default=0)
    source = Text(load_default=None, validate=validate.Length(1, MAX_SOURCE))
    q = Text(load_default=None, validate=validate.Length(1, MAX_SEARCH))


class TextQuery(LinesQuery):
    """The log as a text file, which a browser saves, or with ``inline`` shows."""

    inline = QueryBoolean(load_default=False)


class LogQuery(LinesQuery):
    """What to show of a job's log: a page (``after`` and ``before`` are line numbers, exclusive), or a stream."""

    limit = QueryInteger(minimum=1, maximum=1000, load_default=100)
    after = QueryInteger(load_default=0)
    before = QueryInteger(minimum=1, load_default=MAX_ID)
    order = Text(load_default="asc", validate=_ORDER)
    last_event_id = ma.fields.String(load_default=None)
    last_event_id_of_polyfills = ma.fields.String(load_default=None, data_key="lastEventId")
    last_event_id_header = ma.fields.String(load_default=None, data_key="Last-Event-ID")
    follow = QueryBoolean(load_default=True)
    tail = QueryInteger(load_default=None)
    format = Text(load_default="text", validate=validate.OneOf(("text", "json")))


class LineSchema(ma.Schema):
    """A line as the OpenAPI document describes it; ``line_record`` makes it."""

    id = ma.fields.Integer(data_key="ID")
    job_id = ma.fields.Integer()
    level = ma.fields.String(validate=validate.OneOf(LEVELS))
    message = ma.fields.String()
    source = ma.fields.String()
    timestamp = ma.fields.String()


class StoredLineSchema(LineSchema):
    """What a POST answers: the line, or of many their count and the first and last number."""

    count = ma.fields.Integer()
    first_id = ma.fields.Integer()
    last_id = ma.fields.Integer()


class LinePageSchema(ma.Schema):
    job_id = ma.fields.Integer()
    logs = ma.fields.List(ma.fields.Nested(LineSchema))
    count = ma.fields.Integer()
    has_more = ma.fields.Boolean()
    next_after = ma.fields.Integer()
    next_before = ma.fields.Integer()


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


PAGE_OR_STREAM_DOCUMENTED: dict[str, Any] = {
    "responses": {
        "200": {
            "content": {
                "application/json": {"schema": LinePageSchema},
                "text/event-stream": {"schema": {"type": "string"}},
                "text/plain": {"schema": {"type": "string"}},
            }
        }
    }
}
