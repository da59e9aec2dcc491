"""Evaluates conditional and range requests (RFC 9110, sections 13 and 14); pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from shared.errors import PreconditionFailed

Header = Callable[[str], str | None]
"""Gives a request header, or None."""

_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_TAGS = re.compile(rf"[ \t,]*{_TAG}(?:[ \t]*,[ \t,]*{_TAG})*[ \t,]*")
_RANGE = re.compile(r"([0-9]*)-([0-9]*)")
_MAX_DIGITS = 20
"""No length has more; Python refuses to read numbers of thousands of digits."""


@dataclass(frozen=True)
class Reply:
    """Status 200, 206, 304, 412, 416 or 428, and for the first two the bytes ``start`` to ``stop`` (exclusive)."""

    status: int
    start: int = 0
    stop: int = 0


def choose_reply(
    header: Header, etag: str | None, length: int | None, *, ranged: bool = True, immutable: bool = False
) -> Reply:
    """Return the status and range to answer; ``etag`` is strong and quoted, or None: then there are no ranges either.

    ``ranged`` is False for a method that ignores Range, as all but GET do. Unless the address is ``immutable``, a part
    needs proof that it is one of what the client has: curl -C and wget -c send none, and splice two versions. On a 200
    wget skips what it has; on 428 (RFC 6585) all of them fail.
    """
    matches, spares = header("If-Match"), header("If-None-Match")
    if matches is not None and matches.strip() != "*" and etag not in _tags(matches):
        return Reply(412)
    if spares is not None and (spares.strip() == "*" or etag in {tag.removeprefix("W/") for tag in _tags(spares)}):
        return Reply(304)
    whole = Reply(200, 0, length or 0)
    if_range, asked = header("If-Range"), _single_range(header("Range") or "")
    if not ranged or asked is None or (if_range is not None and if_range.strip() != etag):
        return whole
    is_proven = immutable or if_range is not None or (matches is not None and matches.strip() != "*")
    if not is_proven:
        return whole if asked == (0, None) else Reply(428)
    return whole if length is None else _ranged_reply(*asked, length)


def require_precondition(header: Header, etag: str | None) -> None:
    """Raise PreconditionFailed unless a change is to what a client knows; ``etag`` is None where nothing is.

    RFC 9110, 13.1.1 and 13.1.2, for the methods that change something.
    """
    matches, spares = header("If-Match"), header("If-None-Match")
    if matches is not None and (etag is None if matches.strip() == "*" else etag not in _tags(matches)):
        raise PreconditionFailed("It is not what If-Match names.")
    if spares is not None and (etag is not None if spares.strip() == "*" else etag in _tags(spares)):
        raise PreconditionFailed("It is what If-None-Match names.")


def _tags(field: str) -> list[str]:
    """The entity tags of a list, weak ones with their ``W/``; none where the field is no such list."""
    return re.findall(_TAG, field) if _TAGS.fullmatch(field) else []


def _single_range(field: str) -> tuple[int | None, int | None] | None:
    """Return the first and last byte of the one range asked for; None where there is none, or several."""
    unit, _, ranges = field.partition("=")
    found = [part for part in (part.strip(" \t") for part in ranges.split(",")) if part]
    match = _RANGE.fullmatch(found[0]) if len(found) == 1 else None
    if unit.strip().lower() != "bytes" or match is None or match[0] == "-":
        return None
    first, last = _number(match[1]), _number(match[2])
    return None if first is not None and last is not None and last < first else (first, last)


def _ranged_reply(first: int | None, last: int | None, length: int) -> Reply:
    if first is None:
        start, stop = max(length - (last or 0), 0), length
    else:
        start, stop = first, length if last is None else min(last + 1, length)
    return Reply(206, start, stop) if start < stop else Reply(416)


def _number(digits: str) -> int | None:
    if not digits:
        return None
    significant = digits.lstrip("0")
    return int(significant or "0") if len(significant) <= _MAX_DIGITS else 10**_MAX_DIGITS - 1
