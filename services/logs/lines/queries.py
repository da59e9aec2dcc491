"""Keyset pages of a job's lines, by number: the cost does not grow with the log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from services.logs.lines.levels import LEVELS
from services.logs.tables import Line, connected, database
from shared.pacing import yield_turn
from shared.timestamps import from_micros

MAX_SCAN = 50_000
"""Lines that a filtered page looks at before it answers what it has."""

READ_BYTES = 2**20
"""A read ends with the line that fills this: the longest thousand lines together would fill the memory."""

_SCAN_STEP = 5_000


StoredLine = tuple[int, int, str, str, int]
"""A row of the table: (id, level, source, message, timestamp), as the driver gives it, for a replay reads a million.

``level`` indexes LEVELS, ``timestamp`` is microseconds since 1970.
"""


@dataclass(frozen=True)
class Filter:
    """Lines of ``level`` and above, from ``source`` where one is named."""

    level: int = 0
    source: str | None = None

    def __bool__(self) -> bool:
        return self.level > 0 or self.source is not None

    def admits(self, level: int, source: str) -> bool:
        return level >= self.level and self.source in (None, source)


@dataclass(frozen=True)
class LinePage:
    """Lines in the order asked for; ``cursor`` is the last line looked at, where the next page goes on."""

    lines: list[StoredLine]
    has_more: bool
    cursor: int


@connected
def read_lines(
    job_id: int, after: int, upto: int, limit: int, *, wanted: Filter = Filter(), descending: bool = False
) -> tuple[list[StoredLine], bool]:
    """Return at most ``limit`` lines with after < id ≤ upto in one short read, and whether READ_BYTES cut it short."""
    query = Line.select(Line.id, Line.level, Line.source, Line.message, Line.timestamp).where(
        Line.job_id == job_id, Line.id > after, Line.id <= upto
    )
    if wanted.level:
        query = query.where(Line.level >= wanted.level)
    if wanted.source is not None:
        query = query.where(Line.source == wanted.source)
    order = (Line.job_id.desc(), Line.id.desc()) if descending else (Line.job_id, Line.id)
    rows, cut = database.rows_within(query.limit(limit), order, Line.message, READ_BYTES)
    return rows, cut


def read_page(job_id: int, first: int, last: int, limit: int, wanted: Filter, *, descending: bool) -> LinePage:
    """Return the page of lines first ≤ id ≤ last that begins at the end which the order names.

    It has fewer than ``limit`` lines, and more to follow, where those fill READ_BYTES or the search took MAX_SCAN.
    Each step is a short read of its own, so that a search through a long log holds up nobody.
    """
    lines: list[StoredLine] = []
    cursor = last + 1 if descending else first - 1
    scanned = 0
    for low, high in _steps(first, last, descending, _SCAN_STEP if wanted else limit + 1):
        if scanned:
            yield_turn()
        left = limit + 1 - len(lines)
        found, cut = read_lines(job_id, low - 1, high, left, wanted=wanted, descending=descending)
        lines += found
        scanned += high - low + 1
        if len(lines) > limit:
            return LinePage(lines[:limit], True, lines[limit - 1][0])
        cursor = lines[-1][0] if cut else low if descending else high
        if cut or scanned >= MAX_SCAN:
            break
    return LinePage(lines, cursor > first if descending else cursor < last, cursor)


def has_line(job_id: int, after: int, last: int, wanted: Filter) -> bool:
    """Say whether any line after < id ≤ last passes the filter, however long the search."""
    while True:
        page = read_page(job_id, after + 1, last, 1, wanted, descending=False)
        if page.lines or not page.has_more:
            return bool(page.lines)
        after = page.cursor


def _steps(first: int, last: int, descending: bool, size: int) -> Iterator[tuple[int, int]]:
    if descending:
        for high in range(last, first - 1, -size):
            yield max(first, high - size + 1), high
    else:
        for low in range(first, last + 1, size):
            yield low, min(last, low + size - 1)


def line_record(job_id: int, line_id: int, level: int, source: str, message: str, timestamp: int) -> dict[str, Any]:
    """Return a line as the API shows it; by hand, for a page has a thousand of them."""
    return {
        "ID": line_id,
        "job_id": job_id,
        "level": LEVELS[level],
        "message": message,
        "source": source,
        "timestamp": from_micros(timestamp).replace(tzinfo=None).isoformat() + "Z",
    }
