"""A job's log as a text file, read as it is sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain

from services.logs import telemetry
from services.logs.lines.hold import require_log
from services.logs.lines.levels import LEVELS
from services.logs.lines.queries import Filter, StoredLine, read_page
from services.logs.tables import Job
from shared.pacing import yield_turn
from shared.timestamps import from_micros

LINE_END = re.compile(r"\r\n|\r|\n")
"""The three that everybody takes for the end of a line; ``splitlines`` knows seven more, which are data here."""

_PAGE_LINES = 1_000


def read_text(job: Job, wanted: Filter) -> Iterator[bytes]:
    """Return an iterator over the log as it is now, a line as ``<RFC 3339> [LEVEL] source: message``.

    It has read its first page when it is returned, so that a table that is away is told before the headers go out.
    Raises Gone where the log was deleted.
    """
    require_log(job)
    pages = _pages(job, wanted)
    first = next(pages, b"")
    return chain([first], pages)


def _pages(job: Job, wanted: Filter) -> Iterator[bytes]:
    cursor, has_more = 0, job.last_line > 0
    while has_more:
        page = read_page(job.id, cursor + 1, job.last_line, _PAGE_LINES, wanted, descending=False)
        cursor, has_more = page.cursor, page.has_more
        telemetry.lines_read.inc(len(page.lines))
        yield text_lines(page.lines)
        yield_turn()  # a client that takes all at once would leave no turn to the others


def text_lines(lines: Iterable[StoredLine]) -> bytes:
    """Return the lines of a text file; the further lines of a message are indented by four spaces."""
    parts = []
    for _, level, source, message, timestamp in lines:
        if "\n" in message or "\r" in message:
            message = LINE_END.sub("\n    ", message)
        moment = from_micros(timestamp).replace(tzinfo=None).isoformat(timespec="microseconds")
        parts.append(f"{moment}Z [{LEVELS[level].upper()}] {source}: {message}\n")
    return "".join(parts).encode()
