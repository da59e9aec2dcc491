"""Keyset pages of a job's lines, by number: the cost does not grow with the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.logs.lines.levels import LEVELS
from services.logs.tables import Line, connected, database
from shared.pacing import yield_turn
from shared.timestamps import format_micros

MAX_SCAN = 50_000
"""Lines that a filtered page looks at before it answers what it has."""

READ_BYTES = 2**20
"""A read ends with the line that fills this: the longest thousand lines together would fill the memory."""

_SCAN_STEP = 5_000
_MAX_READS = 32
"""Of a search through long lines: each is READ_BYTES at most."""

StoredLine = tuple[int, int, str, str, int]
"""A row of the table: (id, level, source, message, timestamp), as the driver gives it, for a replay reads a million.

``level`` indexes LEVELS, ``timestamp`` is microseconds since 1970.
"""


@dataclass(frozen=True)
class Filter:
    """Lines of ``level`` and above, from ``source`` where one is named, that hold ``text`` (case-folded)."""

    level: int = 0
    source: str | None = None
    text: str | None = None

    def __bool__(self) -> bool:
        return self.level > 0 or self.source is not None or self.text is not None

    def admits(self, level: int, source: str, message: str) -> bool:
        return level >= self.level and self.source in (None, source) and self.holds_text(message)

    def holds_text(self, message: str) -> bool:
        """Whether the message holds the text, case-blind.

        Python's own search, in time linear in the message; LIKE would not know the case of most letters on SQLite,
        and take minutes over long lines that are made for it.
        """
        return self.text is None or self.text in message.casefold()


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
    """Return at most ``limit`` lines with after < id ≤ upto in one short read, and whether READ_BYTES cut it short.

    Of ``wanted`` the level and the source are applied, the text is not.
    """
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


@connected
def read_messages(
    job_id: int, after: int, upto: int, *, longest: int, words: Sequence[str]
) -> list[tuple[int, str, int]]:
    """Return number, message and timestamp of the lines after < id ≤ upto that have one of the words, in any case.

    Those of more than ``longest`` characters are passed over. What is left out costs half of what a row would.
    """
    mark = database.param
    has_word = " OR ".join([f"message {database.like} {mark}"] * len(words))
    # As text: peewee would take longer to put this together than SQLite to run it.
    statement = (
        f"SELECT id, message, timestamp FROM line WHERE job_id = {mark} AND id > {mark} AND id <= {mark} "
        f"AND LENGTH(message) <= {mark} AND ({has_word}) ORDER BY id"
    )
    values = (job_id, after, upto, longest, *[f"%{word}%" for word in words])
    rows: list[tuple[int, str, int]] = database.execute_sql(statement, values).fetchall()
    return rows


def read_page(job_id: int, first: int, last: int, limit: int, wanted: Filter, *, descending: bool) -> LinePage:
    """Return the page of lines first ≤ id ≤ last that begins at the end which the order names.

    It has fewer than ``limit`` lines, and more to follow, where those fill READ_BYTES or the search took MAX_SCAN.
    Each step is a short read of its own, so that a search through a long log holds up nobody.
    """
    lines: list[StoredLine] = []
    looked_at = reads = kept_bytes = 0
    while first <= last and looked_at < MAX_SCAN and reads < _MAX_READS and kept_bytes < READ_BYTES:
        if reads:
            yield_turn()
        size = min(last - first + 1, _SCAN_STEP if wanted else limit + 1)
        low, high = (last - size + 1, last) if descending else (first, first + size - 1)
        left = limit + 1 - len(lines) if wanted.text is None else size
        found, cut = read_lines(job_id, low - 1, high, left, wanted=wanted, descending=descending)
        lines += [line for line in found if wanted.holds_text(line[3])] if wanted.text is not None else found
        if len(lines) > limit:
            return LinePage(lines[:limit], True, lines[limit - 1][0])
        cursor = found[-1][0] if cut else low if descending else high
        looked_at += high - cursor + 1 if descending else cursor - low + 1
        reads += 1
        if cut:
            kept_bytes = sum(len(line[3].encode()) for line in lines)
        first, last = (first, cursor - 1) if descending else (cursor + 1, last)
    return LinePage(lines, first <= last, last + 1 if descending else first - 1)


def has_line(job_id: int, after: int, last: int, wanted: Filter) -> bool:
    """Say whether any line after < id ≤ last passes the filter, however long the search."""
    while True:
        page = read_page(job_id, after + 1, last, 1, wanted, descending=False)
        if page.lines or not page.has_more:
            return bool(page.lines)
        after = page.cursor


def line_record(job_id: int, line_id: int, level: int, source: str, message: str, timestamp: int) -> dict[str, Any]:
    """Return a line as the API shows it; by hand, for a page has a thousand of them."""
    return {
        "ID": line_id,
        "job_id": job_id,
        "level": LEVELS[level],
        "message": message,
        "source": source,
        "timestamp": format_micros(timestamp),
    }
