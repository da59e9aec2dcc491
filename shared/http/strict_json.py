"""JSON as RFC 8259 has it and as PostgreSQL can keep it: no NaN, no NUL, no unpaired surrogate.

Integers beyond 64 bits come out as floats (RFC 8259, section 6: no more can be relied on).
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any

import orjson

from shared.errors import BadRequest, Unprocessable

_NOT_FINITE = object()

_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
"""Each escape in turn: a pair of surrogates, one that is alone (group 1), or any other."""


def loads(raw: bytes) -> Any:
    """Return the value of a JSON text.

    Raises BadRequest for what is no JSON (also NaN, Infinity, numbers beyond a float, absurd nesting) and
    Unprocessable, naming the field, for a NUL or an unpaired surrogate in any string.
    """
    return _storable(_decode(raw), raw)


def loads_non_finite(raw: bytes) -> Any:
    """As ``loads``, and takes the bare NaN, Infinity and -Infinity that Python's json writes, as floats."""
    try:
        return loads(raw)
    except BadRequest:
        if _not_finite(raw) is None:
            raise
    value = json.loads(raw, parse_int=lambda digits: int(digits) if len(digits) < 20 else float(digits))
    _refuse_unstorable_text(value)  # this decoder takes surrogates in their bytes, too
    return value


def loads_lines(raw: bytes, most: int) -> list[Any]:
    """Return the values of a JSON Lines text, blank lines left out; as ``loads``, errors with a line's number.

    Reads no further than to the first value above ``most``, so that a caller sees that there are too many.
    """
    values: list[Any] = []
    for number, line in enumerate(raw.split(b"\n"), start=1):
        line = line.strip(b" \t\r")
        if not line:
            continue
        try:
            values.append(_decode(line))
        except BadRequest as error:
            raise BadRequest(f"Line {number}: {error.message}") from error
        if len(values) > most:
            break
    return list(_storable(values, raw))


def _decode(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        if raw.startswith(codecs.BOM_UTF8):
            raise BadRequest("The body begins with a byte order mark; JSON is UTF-8 without one.") from error
        if (place := _not_finite(raw)) is not None:
            raise BadRequest(
                f'{place}: JSON has no NaN and no Infinity; send the string "NaN" or "Infinity".'
            ) from error
        # The decoder does not say in which field a surrogate is unpaired; of a NUL in its place `_storable` does.
        marked = _ESCAPE.sub(lambda escape: b"\\u0000" if escape[1] else escape[0], raw)
        if marked == raw:
            raise BadRequest(f"The body is not JSON: {error}.") from error
    return _decode(marked)


def _not_finite(raw: bytes) -> str | None:
    """Return the field of the first NaN or Infinity, or None: Python writes them, and no decoder says where."""
    if not re.search(rb"\b(?:NaN|Infinity)\b", raw):
        return None
    try:
        pending: list[tuple[str, Any]] = [("", json.loads(raw, parse_constant=lambda _: _NOT_FINITE))]
    except (ValueError, RecursionError):
        return None
    while pending:
        path, item = pending.pop(0)
        if item is _NOT_FINITE:
            return path or "body"
        pending.extend(_members(path, item))
    return None


def _storable(value: Any, raw: bytes) -> Any:
    # A NUL or a surrogate can only come in as an escape: raw, one is no JSON and the other no UTF-8.
    if b"\\u" in raw:
        _refuse_unstorable_text(value)
    return value


def _refuse_unstorable_text(value: Any) -> None:
    pending: list[tuple[str, Any]] = [("", value)]
    while pending:
        path, item = pending.pop()
        if isinstance(item, str):
            problem = text_problem(item)
            if problem is not None:
                raise Unprocessable.field(path or "body", problem)
        elif isinstance(item, dict) and (problem := next(filter(None, map(text_problem, item)), None)) is not None:
            raise Unprocessable.field(path or "body", f"A name in it: {problem}")
        pending.extend(_members(path, item))


def _members(path: str, item: Any) -> Iterator[tuple[str, Any]]:
    """Yield the members of an object or a list, each with the field that it is."""
    named = item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list) else ()
    return ((f"{path}.{name}" if path else str(name), member) for name, member in named)


def text_problem(text: str) -> str | None:
    """Say why PostgreSQL could not hold ``text``, or None: its text type has no NUL and no half characters."""
    if "\0" in text or (not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)):
        return "Must not contain a NUL or an unpaired surrogate."
    return None
