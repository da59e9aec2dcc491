"""Server-sent events: a log line or a control event as the bytes on the wire.

Rules from the WHATWG HTML standard, section 9.2 (server-sent events). ``data:`` comes before ``id:``, so that a
client that keeps an id as soon as it has read it never skips an event that was cut off.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from services.logs.lines.levels import LEVELS
from services.logs.lines.queries import StoredLine, line_record
from services.logs.lines.text_file import LINE_END

OPENING = b"retry: 3000\n:\n"
"""Sent at once, so that proxies pass the headers on; no blank line, which one client takes for an event."""

HEARTBEAT = b":\n"


def text_events(lines: Iterable[StoredLine]) -> bytes:
    """Return ``data: [HH:MM:SS] [LEVEL] text`` (UTC) and ``id: N`` of each line; its further lines are ``data:`` too.

    The prefix is looked up for the first line of a second and level.
    """
    parts = []
    second = of_level = -1
    prefix = ""
    for number, level, _, message, timestamp in lines:
        if timestamp // 1_000_000 != second or level != of_level:
            second, of_level = timestamp // 1_000_000, level
            prefix = _prefix(second, level)
        if "\n" in message or "\r" in message:
            message = LINE_END.sub("\ndata: ", message)
        parts.append(f"{prefix}{message}\nid: {number}\n\n")
    return "".join(parts).encode()


@lru_cache(maxsize=1024)
def _prefix(seconds: int, level: int) -> str:
    """The clock and the level, made once for all lines of a second."""
    of_day = seconds % 86_400
    return f"data: [{of_day // 3600:02}:{of_day // 60 % 60:02}:{of_day % 60:02}] [{LEVELS[level].upper()}] "


def json_event(job_id: int, line: StoredLine) -> bytes:
    """Return the line's record as one event."""
    return f"data: {_compact(line_record(job_id, *line))}\nid: {line[0]}\n\n".encode()


def control_event(name: str, **data: Any) -> bytes:
    """Return an event that is no log line: no ``id:``, and no space before its data.

    The space is what the API document's own client tells a line by; to every other parser it means nothing.
    """
    return f"event: {name}\ndata:{_compact(data)}\n\n".encode()


def come_back(earliest_s: float, latest_s: float) -> bytes:
    """Return the ``retry:`` that spreads reconnecting clients over a span of seconds; as in OPENING no blank line."""
    return f"retry: {random.randint(int(earliest_s * 1000), int(latest_s * 1000))}\n".encode()


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
