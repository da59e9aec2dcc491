"""The bodies and queries of MLflow's tracking API: fields that nothing here wants are passed over, as MLflow does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import marshmallow as ma
from marshmallow import validate

from services.logs.integrations.mlflow import STATUSES
from services.logs.metrics.parse import MetricValue
from services.logs.metrics.points import BLOCK
from services.logs.metrics.trainer_lines import MAX_NAME_CHARS
from shared.auth.access import require_job
from shared.errors import NotFound
from shared.http import strict_json
from shared.http.fields import MAX_ID, Integer, Items, QueryInteger, Text
from shared.http.schemas import QuerySchema, TolerantBodySchema
from shared.timestamps import to_micros

MAX_BATCH = 1_000
"""Of metrics, and of parameters and tags, in a request; as MLflow's own server has it."""

MAX_VALUE_CHARS = 8_000
"""Of a parameter or a tag; MLflow's own limits are 6,000 and 8,000."""

_LAST_MILLIS = 253_402_300_799_999
"""The end of the year 9999."""


class RunId(ma.fields.Field[int]):
    """A run's id, which is the number of a job; NotFound for any other, and for what is not a job token's job."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        text = str(value)
        if not re.fullmatch(r"[0-9]{1,19}", text) or not 1 <= int(text) <= MAX_ID:
            raise NotFound("There is no such run: a run's id is the number of a job.")
        require_job(int(text))
        return int(text)


class Int64(Integer):
    """A whole number in JSON, or in a string: protobuf's JSON writes 64 bits so."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,19}", value):
            value = int(value)
        return super()._deserialize(value, attr, data, **kwargs)


def _name() -> ma.fields.String:
    return ma.fields.String(required=True, validate=validate.Length(1, MAX_NAME_CHARS))


class _Body(TolerantBodySchema):
    decode = staticmethod(strict_json.loads_non_finite)


class _EntrySchema(_Body):
    key = _name()
    value = ma.fields.String(load_default="", validate=validate.Length(max=MAX_VALUE_CHARS))
    """Protobuf's JSON leaves out one that is empty."""


class _MetricSchema(_Body):
    key = _name()
    value = MetricValue(load_default=0.0)
    timestamp = Int64(maximum=_LAST_MILLIS, load_default=None, allow_none=True)
    step = Int64(load_default=0)

    @ma.post_load
    def make_point(self, data: dict[str, Any], **kwargs: Any) -> Any:
        """Return a NewPoint, and whatever else the schema has."""
        sent = data.pop("timestamp")
        timestamp = to_micros(datetime.now(UTC)) if sent is None else sent * 1000
        point = (data.pop("key"), data.pop("step"), data.pop("value"), timestamp, None)
        return {"metrics": [point], **data} if data else point


class LogMetricSchema(_MetricSchema):
    run_id = RunId(required=True)


class LogEntrySchema(_EntrySchema):
    run_id = RunId(required=True)


def _list_of(schema: type[ma.Schema]) -> Any:
    return Items(ma.fields.Nested(schema), load_default=list, validate=validate.Length(max=MAX_BATCH))


class LogBatchSchema(_Body):
    body_limit = 8 * 2**20

    run_id = RunId(required=True)
    metrics = _list_of(_MetricSchema)
    params = _list_of(_EntrySchema)
    tags = _list_of(_EntrySchema)


class NewRunSchema(_Body):
    run_name = ma.fields.String(load_default=None, allow_none=True, validate=validate.Length(max=255))
    tags = _list_of(_EntrySchema)


class RunUpdateSchema(_Body):
    run_id = RunId(required=True)
    status = ma.fields.String(load_default=None, allow_none=True, validate=validate.OneOf(STATUSES))
    run_name = ma.fields.String(load_default=None, allow_none=True, validate=validate.Length(max=255))


class NewExperimentSchema(_Body):
    name = _name()


class ExperimentNameQuery(QuerySchema):
    experiment_name = Text(required=True, validate=validate.Length(1, MAX_NAME_CHARS))


class ExperimentQuery(QuerySchema):
    experiment_id = Text(required=True)


class RunQuery(QuerySchema):
    run_id = RunId(required=True)


class HistoryQuery(RunQuery):
    metric_key = Text(required=True, validate=validate.Length(1, MAX_NAME_CHARS))
    max_results = QueryInteger(minimum=1, load_default=BLOCK)
    after_step = QueryInteger(data_key="page_token", load_default=-1)
