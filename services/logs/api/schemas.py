"""The JSON of jobs and log lines."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import validate

from services.logs.jobs import STATUSES
from services.logs.lines.levels import LEVEL_NUMBERS, LEVELS, Level
from services.logs.lines.parse import MAX_SOURCE
from shared.http import idempotency
from shared.http.fields import (
    MAX_ID,
    BodySchema,
    Integer,
    JSONObject,
    QueryBoolean,
    QueryInteger,
    QuerySchema,
    QueryText,
    Time,
    UpdateSchema,
)
from shared.http.pagination import PageQuery, page_schema

_ORDER = validate.OneOf(("asc", "desc"))


class JobSchema(ma.Schema):
    id = ma.fields.Integer(data_key="ID")
    dataset_id = ma.fields.Integer()
    status = ma.fields.String()
    configuration = ma.fields.Dict()
    created_at = Time()
    started_at = Time(allow_none=True)
    completed_at = Time(allow_none=True)
    log_expired_at = Time(allow_none=True)


JobPageSchema = page_schema(JobSchema, "JobPage")


class NewJobSchema(BodySchema):
    dataset_id = Integer(minimum=1, required=True)
    configuration = JSONObject(load_default=dict)


class JobUpdateSchema(UpdateSchema):
    status = ma.fields.String(required=True, validate=validate.OneOf(STATUSES))
    kernel = ma.fields.String(load_default=None, allow_none=True, validate=validate.Length(1, 255))


class JobsQuery(PageQuery):
    status = QueryText(validate=validate.OneOf(STATUSES))
    dataset_id = QueryInteger(minimum=1)
    order = QueryText(load_default="desc", validate=_ORDER)


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


class LogQuery(QuerySchema):
    """What to show of a job's log: a page (``after`` and ``before`` are line numbers, exclusive), or a stream."""

    limit = QueryInteger(minimum=1, maximum=1000, load_default=100)
    after = QueryInteger(load_default=0)
    before = QueryInteger(minimum=1, load_default=MAX_ID)
    order = QueryText(load_default="asc", validate=_ORDER)
    last_event_id = ma.fields.String(load_default=None)
    last_event_id_of_polyfills = ma.fields.String(load_default=None, data_key="lastEventId")
    last_event_id_header = ma.fields.String(load_default=None, data_key="Last-Event-ID")
    follow = QueryBoolean(load_default=True)
    tail = QueryInteger(load_default=None)
    format = QueryText(load_default="text", validate=validate.OneOf(("text", "json")))
    level = Level(load_default=0)
    source = QueryText(load_default=None, validate=validate.Length(1, MAX_SOURCE))


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


PAGE_OR_STREAM_DOCUMENTED: dict[str, Any] = {
    "responses": {
        "200": {
            "content": {
                "application/json": {"schema": LinePageSchema},
                "text/event-stream": {"schema": {"type": "string"}},
            }
        }
    }
}
