"""Evaluates conditional and range requests (RFC 9110, sections 13 and 14); pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

Header = Callable[[str], str | None]
"""Gives a request header, or None."""

_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_TAGS = re.compile(rf"[ \t,]*{_TAG}(?:[ \t]*,[ \t,]*{_TAG})*[ \t,]*")
_RANGE = re.compile(r"([0-9]*)-([0-9]*)")
_MAX_DIGITS = 20
"""No length has more; Python refuses to read numbers of thousands of digits."""


@dataclass(frozen=True)
class Reply:
    """Status 200, 206, 304, 412 or 416, and for the first two the bytes ``start`` to ``stop`` (exclusive)."""

    status: int
    start: int = 0
    stop: int = 0


def choose_reply(header: Header, etag: str | None, length: int | None, *, ranged: bool = True) -> Reply:
    """Return the status and range to answer; ``etag`` is strong and quoted, or None: then there are no ranges either.

    ``ranged`` is False for a method that ignores Range, as all but GET do.
    """
    matches, spares = header("If-Match"), header("If-None-Match")
    if matches is not None and matches.strip() != "*" and etag not in _tags(matches):
        return Reply(412)
    if spares is not None and (spares.strip() == "*" or etag in {tag.removeprefix("W/") for tag in _tags(spares)}):
        return Reply(304)
    whole = Reply(200, 0, length or 0)
    if_range = header("If-Range")
    if not ranged or etag is None or length is None or (if_range is not None and if_range.strip() != etag):
        return whole
    return _ranged_reply(header("Range") or "", length) or whole


def _tags(field: str) -> list[str]:
    """The entity tags of a list, weak ones with their ``W/``; none where the field is no such list."""
    return re.findall(_TAG, field) if _TAGS.fullmatch(field) else []


def _ranged_reply(field: str, length: int) -> Reply | None:
    """Return the reply to a single byte range; None where the whole is due: several ranges, another unit, none."""
    unit, _, ranges = field.partition("=")
    found = [part for part in (part.strip(" \t") for part in ranges.split(",")) if part]
    match = _RANGE.fullmatch(found[0]) if len(found) == 1 else None
    if unit.strip().lower() != "bytes" or match is None or match[0] == "-":
        return None
    first, last = _number(match[1]), _number(match[2])
    if first is None:
        start, stop = max(length - (last or 0), 0), length
    else:
        start, stop = first, length if last is None else min(last + 1, length)
        if last is not None and last < first:
            return None
    return Reply(206, start, stop) if start < stop else Reply(416)


def _number(digits: str) -> int | None:
    significant = digits.lstrip("0")
    if len(significant) > _MAX_DIGITS:
        return int("9" * _MAX_DIGITS)
    return int(digits) if digits and significant else 0 if digits else None
