"""Times as RFC 3339 text in UTC, and as microseconds since 1970."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_RFC_3339 = re.compile(r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)
_NAIVE = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?", re.ASCII)

_PLAIN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{6})?Z", re.ASCII)
"""What our own client sends, and most others: Python's own parser takes it as it stands."""

_PLUS_LOST = re.compile(r"[Tt]\d{2}:\d{2}:\d{2}(\.\d+)? \d{2}:\d{2}\Z", re.ASCII)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_time(value: object) -> datetime:
    """Return the aware UTC datetime of an RFC 3339 text; ValueError says what is wrong with it."""
    if not isinstance(value, str):
        raise ValueError("Must be a string in RFC 3339, as 2024-02-19T10:30:45Z.")
    match = _RFC_3339.fullmatch(value)
    if match is None:
        if _PLUS_LOST.search(value):
            raise ValueError("A + in a URL is a space; write %2B, as in 2024-02-19T10:30:45%2B01:00.")
        if _NAIVE.fullmatch(value):
            raise ValueError("Must name its offset from UTC, as 2024-02-19T10:30:45Z.")
        raise ValueError("Not a time in RFC 3339, as 2024-02-19T10:30:45Z.")
    date, clock, fraction, offset = match.groups()
    micros = f"{fraction or '.'}000000"[:7]
    try:
        local = datetime.fromisoformat(f"{date}T{clock}{micros}{'+00:00' if offset in 'Zz' else offset}")
        return local.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError("Not a time in RFC 3339, as 2024-02-19T10:30:45Z.") from error


def plain_micros(sent: object) -> int:
    """Return the microseconds of a time as most clients write it, or -1 for what ``parse_time`` has to look at."""
    if type(sent) is not str or _PLAIN.fullmatch(sent) is None:
        return -1
    try:
        return to_micros(datetime.fromisoformat(sent))
    except ValueError:  # a thirtieth of February
        return -1


def format_time(value: datetime) -> str:
    """Return ``2024-02-19T10:30:45Z`` for an aware UTC datetime."""
    return value.replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def format_micros(value: int) -> str:
    """Return ``2024-02-19T10:30:45.123456Z``, or without a fraction where that is 0, of microseconds since 1970."""
    return from_micros(value).replace(tzinfo=None).isoformat() + "Z"


def to_micros(value: datetime) -> int:
    """Return the microseconds since 1970 of an aware datetime."""
    return (value - _EPOCH) // timedelta(microseconds=1)


def from_micros(value: int) -> datetime:
    """Return the aware UTC datetime of so many microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=value)
