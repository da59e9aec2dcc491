"""Marshmallow fields of evaluations that read JSON as strictly as the contract says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import marshmallow as ma


class StrictBoolean(ma.fields.Boolean):
    """``true`` and ``false``; marshmallow's own also takes "yes" and 1."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        if type(value) is not bool:
            raise self.make_error("invalid", input=value)
        return value


class Ratio(ma.fields.Float):
    """A number from 0 to 1; marshmallow's own also takes "0.5", true and NaN."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> float:
        if not is_ratio(value):
            raise ma.ValidationError("Must be a number from 0 to 1.")
        return float(value)


def is_ratio(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1
