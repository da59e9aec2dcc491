"""Marshmallow fields that read JSON and query strings as strictly as the contract says."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any

import marshmallow as ma
from marshmallow import validate

from shared.errors import Unprocessable
from shared.http.strict_json import text_problem
from shared.pacing import yielding
from shared.timestamps import format_time, parse_time

MAX_ID = 2**63 - 1

MOST_ERRORS = 20
"""So many wrong fields are told; a body may have a million."""

_ITEMS_A_TURN = 50
"""Some four milliseconds of validation."""


class Integer(ma.fields.Integer):
    """A whole number in JSON (``1``, not ``1.0``, ``"1"`` or ``true``), between ``minimum`` and ``maximum``."""

    def __init__(self, *, minimum: int = 0, maximum: int = MAX_ID, **kwargs: Any) -> None:
        bounds = validate.Range(min=minimum, max=maximum)
        super().__init__(validate=bounds, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        if type(value) is not int:  # bool is an int to Python and not to JSON
            raise self.make_error("invalid", input=value)
        return value


class QueryInteger(Integer):
    """A whole number in a query string: ASCII digits and nothing else (``int()`` also takes ``1_0`` and ``٣``)."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        if not re.fullmatch(r"-?[0-9]{1,30}", str(value)):
            raise self.make_error("invalid", input=value)
        return int(value)


class QueryBoolean(ma.fields.Boolean):
    """``true`` or ``false`` in a query string, and nothing else (marshmallow's own also takes "yes" and "1")."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        if value not in ("true", "false"):
            raise ma.ValidationError("Must be true or false.")
        return bool(value == "true")


class Number(ma.fields.Float):
    """A finite number in JSON (``1`` stays a whole one); marshmallow's own also takes ``"0.5"`` and ``true``."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> float:
        if type(value) not in (int, float) or not math.isfinite(value):
            raise self.make_error("invalid", input=value)
        return value  # type: ignore[no-any-return]


class Text(ma.fields.String):
    """A text without NULs and unpaired surrogates, as all stored text is; in a query string nothing else looks."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = str(super()._deserialize(value, attr, data, **kwargs))
        if (problem := self.problem(text)) is not None:
            raise ma.ValidationError(problem)
        return text

    def problem(self, text: str) -> str | None:
        """Say what is wrong with a text, or None."""
        return text_problem(text)


MAX_DEPTH = 100


def depth_problem(value: Any) -> str | None:
    """Return the problem of a JSON value nested deeper than MAX_DEPTH, else None: encoding needs the stack."""
    depth, level = 0, [value]
    while level and depth <= MAX_DEPTH:
        depth += 1
        members = (item.values() if isinstance(item, dict) else item for item in level)
        level = [member for inner in members for member in inner if isinstance(member, dict | list)]
    return f"Must not be nested deeper than {MAX_DEPTH} levels." if depth > MAX_DEPTH else None


class JSONObject(ma.fields.Dict):
    """A JSON object, nested at most MAX_DEPTH deep."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        if isinstance(value, dict) and (problem := depth_problem(value)) is not None:
            raise ma.ValidationError(problem)
        return super()._deserialize(value, attr, data, **kwargs)  # type: ignore[no-untyped-call]


class Items(ma.fields.List[Any]):
    """A list in a body, whose length is validated first, and then its items until MOST_ERRORS of them are wrong.

    Others have their turn meanwhile: the items of 8 MiB take seconds.
    """

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> list[Any]:
        if not isinstance(value, list):
            raise self.make_error("invalid")
        self._validate(value)
        items: list[Any] = []
        errors: dict[int, Any] = {}
        for number, item in enumerate(yielding(value, _ITEMS_A_TURN)):
            try:
                items.append(self.inner.deserialize(item, **kwargs))
            except ma.ValidationError as error:
                errors[number] = error.messages
                if len(errors) == MOST_ERRORS:
                    break
        if errors:
            raise ma.ValidationError(errors)
        return items


class Time(ma.fields.Field[datetime]):
    """An RFC 3339 time. Read with any offset and kept in UTC, written in UTC ending in ``Z``, whole seconds."""

    def _serialize(self, value: datetime | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else format_time(value)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> datetime:
        try:
            return parse_time(value)
        except ValueError as error:
            raise ma.ValidationError(str(error)) from error


def unprocessable(messages: Any) -> Unprocessable:
    """Turn marshmallow's nested messages into one Unprocessable.

    Its ``errors`` are keyed by dotted field names, at most MOST_ERRORS of them.
    """
    errors: dict[str, list[str]] = {}
    for path, problems in islice(_flatten(messages, ""), MOST_ERRORS):
        errors.setdefault(path or "body", []).extend(problems)
    name, problems = next(iter(errors.items()))
    return Unprocessable(f"{name}: {problems[0]}", errors=errors)


def _flatten(messages: Any, path: str) -> Iterator[tuple[str, list[str]]]:
    if isinstance(messages, dict):
        for key, value in messages.items():
            inner = path if key == "_schema" else f"{path}.{key}" if path else str(key)
            yield from _flatten(value, inner)
    else:
        yield path, [str(message) for message in messages]
