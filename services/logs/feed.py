"""One watched job: a ring of its newest events, which its viewers read by their cursors or have written to them."""

from __future__ import annotations

import time
from collections import deque
from datetime import UTC, datetime
from itertools import islice

import gevent
from gevent.event import Event

from services.logs import events, jobs, metrics, paging
from services.logs.paging import StoredLine
from services.logs.tables import Job
from services.logs.viewer import View, Viewer, as_chunk
from shared.errors import Unavailable

RING_LINES = 10_000
RING_BYTES = 2 * 2**20
"""Half a second of the fastest log: a stream that falls behind it must read the tables, at everybody's cost."""

CHUNK_LINES = 2_000
"""A stream's write, and a read of the tables, hold at most this many lines."""

_FIRST_LINES = 500
"""A new feed begins with the last so many, for the clients that come back."""

_KEPT_CHUNKS = 8
"""Viewers who are up to date ask for the same bytes, made once; each straggler's own are not worth keeping."""

_TURN_S = 0.005
_TURN_VIEWERS = 64
"""After so long of writing to viewers everybody else has a turn; the clock is looked at after each so many."""

LAST_WORDS_S = 2.0
"""How long a finished job's stream stays open for lines that come late."""


def end_of_stream(job: Job) -> float | None:
    """Return when (on the monotonic clock) the job's streams end, or None while it goes on."""
    if job.status not in jobs.TERMINAL:
        return None
    since: float = (datetime.now(UTC) - job.completed_at).total_seconds()
    # The clocks of two machines differ; the wait is never longer than it should be.
    return time.monotonic() + max(0.0, min(LAST_WORDS_S, LAST_WORDS_S - since))


class _Entry:
    """A line in the ring, encoded once for all of its viewers."""

    __slots__ = ("json", "line", "text")

    def __init__(self, line: StoredLine) -> None:
        self.line = line
        self.text = events.text_event(line)
        self.json: bytes | None = None


class Feed:
    """One watched job, and those who watch it."""

    def __init__(self, job: Job) -> None:
        self.job_id: int = job.id
        self.generation = 0
        """Counts how often the log turned out to be another one; a stream that sees it change begins again."""
        self.viewers: dict[Viewer, None] = {}
        self.wanted = Event()
        """Set when there is something to do: the job's row or lines to read, or lines in the ring to tell of."""
        self.look_at_job = False
        self.look_at_lines = False
        self._begin(job)
        self.note_job(job)

    def _begin(self, job: Job) -> None:
        self.epoch: datetime = job.created_at
        self.last: int = max(0, job.last_line - _FIRST_LINES)
        self.status = ""
        self.over = False
        """Whether the job has ended and its last words are in the ring."""
        self._ends_at: float | None = None
        self._ring: deque[_Entry] = deque()
        self._ring_bytes = 0
        self._chunks: dict[tuple[int, View], tuple[bytes, int]] = {}

    def note_job(self, job: Job, known_last: int = 0) -> None:
        """Take in the job's row: its status, and whether it still is the job that the ring is of.

        ``known_last`` is what ``last`` was before the row was read: a row that has less is of another log, while
        one that only has less than ``last`` now is merely older than what came since.
        """
        if job.created_at != self.epoch or job.last_line < known_last:
            # The tables were restored or made anew under us: nothing that we hold is true any more.
            self._begin(job)
            self.generation += 1
            self.wake()
        # A job ends once: a row that still has it running was read before.
        if self._ends_at is None:
            self.status = job.status
            self._ends_at = end_of_stream(job)
            if self._ends_at is not None:
                self.wanted.set()
        if job.last_line > self.last:
            self.over = False
            self.want_lines()

    def want_lines(self) -> None:
        """Have the lines behind the last one read."""
        self.look_at_lines = True
        self.wanted.set()

    def want_job(self) -> None:
        """Have the job's row read."""
        self.look_at_job = True
        self.wanted.set()

    def rest(self) -> float | None:
        """Return for how long nothing needs to be read unless it is wanted: until a finished job's streams end."""
        if self._ends_at is None or self.over:
            return None
        return max(0.0, self._ends_at - time.monotonic())

    def note_read(self, began: float) -> None:
        """Take in that all was read that was there at ``began``: once the job has ended, those were its last words."""
        if self._ends_at is not None and began >= self._ends_at and not self.over:
            self.over = True
            self.wake()

    def append(self, lines: list[StoredLine]) -> None:
        """Add the lines that follow the last one; those that are here already are passed over."""
        for line in lines:
            number = line[0]
            if number <= self.last:
                continue
            if number != self.last + 1:
                metrics.lines_missing.inc()
                raise Unavailable(f"Job {self.job_id} has line {number} behind line {self.last}.")
            entry = _Entry(line)
            self._ring.append(entry)
            self._ring_bytes += len(entry.text)
            self.last = number
        while self._ring and (len(self._ring) > RING_LINES or self._ring_bytes > RING_BYTES):
            self._ring_bytes -= len(self._ring.popleft().text)
        self._chunks.clear()

    def wake(self) -> None:
        """Have every viewer look at what changed."""
        for viewer in self.viewers:
            viewer.wake()

    def deliver(self) -> None:
        """Write the newest lines to the viewers who wait for them."""
        cursor, view, chunk, behind = -1, None, b"", -1
        turn_ends = time.monotonic() + _TURN_S
        for number, viewer in enumerate(list(self.viewers)):
            if not number % _TURN_VIEWERS and time.monotonic() > turn_ends:
                gevent.sleep(0)
                turn_ends = time.monotonic() + _TURN_S
                cursor = -1  # there may be more lines by now, or another log
            if not viewer.waits or viewer.cursor >= self.last:
                continue
            if viewer.cursor + 1 < self._first:
                viewer.wake()  # to read the tables
                continue
            if viewer.cursor != cursor or viewer.view is not view:
                cursor, view = viewer.cursor, viewer.view
                data, behind = self._ring_chunk(cursor, view)
                chunk = as_chunk(data)
                if behind < self.last:
                    self.wanted.set()
            if chunk:
                viewer.push(chunk, behind)
            else:
                viewer.cursor = behind  # a filter let nothing through

    @property
    def _first(self) -> int:
        """The number of the oldest line in the ring; of the next line where it is empty."""
        return self.last + 1 - len(self._ring)

    def chunk(self, after: int, view: View) -> tuple[bytes, int]:
        """Return the bytes of the next lines behind ``after``, and the cursor behind them; both in one piece."""
        if after >= self.last:
            return b"", after
        return self._ring_chunk(after, view) if after + 1 >= self._first else self._read_chunk(after, view)

    def _ring_chunk(self, after: int, view: View) -> tuple[bytes, int]:
        key = (after, view)
        found = self._chunks.get(key)
        if found is None:
            if len(self._chunks) >= _KEPT_CHUNKS:
                self._chunks.clear()
            found = self._chunks[key] = self._make_chunk(after, view)
        return found

    def _make_chunk(self, after: int, view: View) -> tuple[bytes, int]:
        start = after + 1 - self._first
        entries = list(islice(self._ring, start, start + CHUNK_LINES))
        parts = [self._encoded(entry, view) for entry in entries if view.wanted.admits(*entry.line[1:3])]
        return b"".join(parts), after + len(entries)

    def _encoded(self, entry: _Entry, view: View) -> bytes:
        if not view.as_json:
            return entry.text
        if entry.json is None:
            entry.json = events.json_event(self.job_id, entry.line)
        return entry.json

    def _read_chunk(self, after: int, view: View) -> tuple[bytes, int]:
        """Serve a stream that lags behind the ring: from the tables, in a short read of its own."""
        # A client that takes all at once, and a file that answers at once, would leave no turn to the others.
        gevent.sleep(0)
        page = paging.read_page(self.job_id, after + 1, self.last, CHUNK_LINES, view.wanted, descending=False)
        if view.as_json:
            return b"".join([events.json_event(self.job_id, line) for line in page.lines]), page.cursor
        return events.text_events(page.lines), page.cursor
