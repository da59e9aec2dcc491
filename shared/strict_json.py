"""JSON as RFC 8259 has it and as PostgreSQL can keep it; the standard library's parser takes more."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

import orjson

from shared.errors import BadRequest, Unprocessable
from shared.fields import text_problem


def loads(raw: bytes) -> Any:
    """Return the value of a JSON text.

    Raises BadRequest for what is no JSON (also NaN, Infinity, numbers beyond a float, absurd nesting) and
    Unprocessable, naming the field, for a NUL or an unpaired surrogate in any string.
    """
    return _storable(_decode(raw), raw)


def loads_quickly(raw: bytes) -> Any:
    """Return what ``loads`` does, in a third of the time; but an integer beyond 64 bits comes out as a float.

    That is for values in which no number counts.
    """
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        value = _decode(raw)  # whose word it is
    return _storable(value, raw)


def loads_lines(raw: bytes, most: int) -> list[Any]:
    """Return the values of a JSON Lines text, blank lines left out; as ``loads_quickly``, errors with a line's number.

    Reads no further than to the first value above ``most``, so that a caller sees that there are too many.
    """
    values: list[Any] = []
    for number, row in enumerate(raw.split(b"\n"), start=1):
        row = row.strip(b" \t\r")
        if not row:
            continue
        try:
            values.append(orjson.loads(row))
        except orjson.JSONDecodeError:
            values.append(_line(row, number))
        if len(values) > most:
            break
    return list(_storable(values, raw))


def _line(row: bytes, number: int) -> Any:
    try:
        return _decode(row)
    except BadRequest as error:
        raise BadRequest(f"Line {number}: {error.message}") from error


def _decode(raw: bytes) -> Any:
    try:
        return _DECODER.decode(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadRequest("The body is not UTF-8.") from error
    except RecursionError as error:
        raise BadRequest("The body is nested too deeply.") from error
    except ValueError as error:
        raise BadRequest(f"The body is not JSON: {error}.") from error


def _storable(value: Any, raw: bytes) -> Any:
    # A NUL or a surrogate can only come in as an escape: raw, one is no JSON and the other no UTF-8.
    if b"\\u" in raw:
        _refuse_unstorable_text(value)
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError(f"{digits[:40]} is beyond what a number can hold")
    return value


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)


def _refuse_unstorable_text(value: Any) -> None:
    pending: list[tuple[str, Any]] = [("", value)]
    while pending:
        path, item = pending.pop()
        if isinstance(item, str):
            problem = text_problem(item)
            if problem is not None:
                raise Unprocessable.field(path or "body", problem)
        elif isinstance(item, dict):
            for key, member in item.items():
                problem = text_problem(key)
                if problem is not None:
                    raise Unprocessable.field(path or "body", f"A name in it: {problem}")
                pending.append((f"{path}.{key}" if path else key, member))
        elif isinstance(item, list):
            pending.extend((f"{path}.{index}" if path else str(index), member) for index, member in enumerate(item))
