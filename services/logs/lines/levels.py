"""The levels of log lines: four names in their order, and the aliases that are read as one of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import marshmallow as ma

LEVELS = ("debug", "info", "warn", "error")
LEVEL_NUMBERS = {name: number for number, name in enumerate(LEVELS)} | {
    "warning": 2,
    "critical": 3,
    "fatal": 3,
}


class Level(ma.fields.Field[int]):
    """A level's name in any case and with its usual aliases, as its index in LEVELS."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        number = LEVEL_NUMBERS.get(value.lower()) if isinstance(value, str) else None
        if number is None:
            raise ma.ValidationError(f"Must be one of: {', '.join(LEVEL_NUMBERS)}.")
        return number
