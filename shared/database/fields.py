"""Columns for times and JSON, the same on both databases."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from peewee import BigIntegerField, TextField

from shared.timestamps import from_micros, to_micros


class TimeField(BigIntegerField):
    """A time as microseconds since 1970 in UTC; an aware datetime in Python. Exact and ordered on both databases."""

    def db_value(self, value: datetime | None) -> int | None:
        return None if value is None else to_micros(value)

    def python_value(self, value: int | None) -> datetime | None:
        return None if value is None else from_micros(value)


class JSONField(TextField):
    """A JSON value as text, its keys in the order they came (PostgreSQL's jsonb would sort them)."""

    def db_value(self, value: Any) -> str | None:
        return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    def python_value(self, value: str | None) -> Any:
        return None if value is None else json.loads(value)
