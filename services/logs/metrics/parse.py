"""Parses and validates reported metrics."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import marshmallow as ma
from marshmallow import validate

from services.logs.metrics.points import NewPoint
from services.logs.metrics.trainer_lines import MAX_NAME_CHARS
from shared.http import strict_json
from shared.http.fields import MAX_ID, Integer, Items, Time, unprocessable
from shared.http.schemas import BodySchema
from shared.timestamps import plain_micros, to_micros

MAX_VALUES = 10_000
MAX_BODY_BYTES = 8 * 2**20

_NOT_FINITE = {name: float(name) for name in ("NaN", "Infinity", "-Infinity")}


class MetricValue(ma.fields.Field[float]):
    """A JSON number, or one of the strings ``"NaN"``, ``"Infinity"`` and ``"-Infinity"``."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> float:
        if type(value) in (int, float):
            return float(value)
        if type(value) is str and value in _NOT_FINITE:
            return _NOT_FINITE[value]
        raise ma.ValidationError('Must be a number, "NaN", "Infinity" or "-Infinity".')


class _Values(ma.fields.Dict):
    """Values by name, whose number is validated before they are."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        if isinstance(value, dict):
            self._validate(value)
        return super()._deserialize(value, attr, data, **kwargs)  # type: ignore[no-untyped-call]


class _MetricsAtStepSchema(BodySchema):
    step = Integer(minimum=0, required=True)
    values = _Values(
        keys=ma.fields.String(validate=validate.Length(1, MAX_NAME_CHARS)),
        values=MetricValue(),
        required=True,
        validate=validate.Length(1, MAX_VALUES),
    )
    timestamp = Time(load_default=None, allow_none=True)
    epoch = MetricValue(load_default=None, allow_none=True)


class NewMetricsSchema(BodySchema):
    """At most 10,000 values, the epochs among them."""

    metrics = Items(ma.fields.Nested(_MetricsAtStepSchema), required=True, validate=validate.Length(min=1))

    @ma.validates_schema(skip_on_field_errors=True)
    def limit_values(self, data: dict[str, Any], **kwargs: Any) -> None:
        count = sum(len(entry["values"]) + (entry["epoch"] is not None) for entry in data["metrics"])
        if count > MAX_VALUES:
            raise ma.ValidationError(f"Must have at most {MAX_VALUES} values, and has {count}.", "metrics")


_SCHEMA = NewMetricsSchema()


def read_points(raw: bytes) -> list[NewPoint]:
    """Return the points of a POST's body, all or none; BadRequest or Unprocessable says why not.

    What is plainly right costs a few comparisons; all else goes through the schema, which takes thirty times as long.
    One timestamp serves all that bring none.
    """
    value = strict_json.loads(raw)
    now = to_micros(datetime.now(UTC))
    return _plain_points(value, now) or _checked_points(value, now)


def _plain_points(value: Any, now: int) -> list[NewPoint] | None:
    """Return the points of a body that is valid at first sight, else None; never what the schema would refuse."""
    if type(value) is not dict or len(value) != 1 or type(value.get("metrics")) is not list:
        return None
    points: list[NewPoint] = []
    for entry in value["metrics"]:
        if type(entry) is not dict:
            return None
        step, values, moment = entry.get("step"), entry.get("values"), now
        if type(step) is not int or not 0 <= step <= MAX_ID or type(values) is not dict or not values:
            return None
        if len(entry) > 2:
            sent, epoch = entry.get("timestamp"), entry.get("epoch")
            moment = now if sent is None else plain_micros(sent)
            if moment < 0 or len(entry) != 2 + ("timestamp" in entry) + ("epoch" in entry):
                return None
            if epoch is not None:
                values = {**values, "epoch": epoch}
        for name, number in values.items():
            if type(number) is not float:
                number = _plain_number(number)
            if number is None or not 0 < len(name) <= MAX_NAME_CHARS:
                return None
            points.append((name, step, number, moment, None))
    return points if len(points) <= MAX_VALUES else None


def _plain_number(value: Any) -> float | None:
    if type(value) is int:
        return float(value)
    return _NOT_FINITE.get(value) if type(value) is str else None


def _checked_points(value: Any, now: int) -> list[NewPoint]:
    try:
        metrics = _SCHEMA.load(value)["metrics"]
    except ma.ValidationError as error:
        raise unprocessable(error.messages) from error
    points: list[NewPoint] = []
    for entry in metrics:
        values = entry["values"] if entry["epoch"] is None else {**entry["values"], "epoch": entry["epoch"]}
        moment = now if entry["timestamp"] is None else to_micros(entry["timestamp"])
        points += [(name, entry["step"], value, moment, None) for name, value in values.items()]
    return points
