"""A channel: a watched job's ring buffer of its newest lines, fanned out to its subscribers."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

import gevent
from gevent.event import Event

from services.logs import jobs, telemetry
from services.logs.lines import queries
from services.logs.lines.queries import StoredLine
from services.logs.streaming import sse
from services.logs.streaming.subscriber import Subscriber, Subscription, as_chunk
from services.logs.tables import Job
from shared.errors import Unavailable
from shared.pacing import yield_turn

BUFFER_LINES = 10_000
BUFFER_BYTES = 2 * 2**20
"""Half a second of the fastest log: a stream that lags further must read the tables, at everybody's cost."""

CHUNK_LINES = 2_000
"""A stream's write, and a read of the tables, hold at most this many lines."""

_FIRST_LINES = 500
"""A new channel begins with the last so many, for the clients that come back."""

_CACHED_CHUNKS = 8
"""Subscribers who are up to date ask for the same bytes, made once; those of each that lags are not worth keeping."""

_TURN_S = 0.005
_TURN_SUBSCRIBERS = 64
"""After so long of writing to subscribers everybody else has a turn; the clock is looked at after each so many."""

LAST_WORDS_S = 2.0
"""How long a finished job's stream stays open for lines that come late."""


def end_of_stream(job: Job) -> float | None:
    """Return when (on the monotonic clock) the job's streams end, or None while it goes on."""
    if job.status not in jobs.TERMINAL:
        return None
    since: float = (datetime.now(UTC) - job.completed_at).total_seconds()
    # The clocks of two machines differ; the wait is never longer than it should be.
    return time.monotonic() + max(0.0, min(LAST_WORDS_S, LAST_WORDS_S - since))


@dataclass(slots=True)
class _Entry:
    """A line in the buffer, encoded once for all subscribers."""

    line: StoredLine
    text: bytes
    json: bytes | None = None


class Channel:
    """One watched job and its subscribers."""

    def __init__(self, job: Job) -> None:
        self.job_id: int = job.id
        self.generation = 0
        """Counts how often the log turned out to be another one; a stream that sees it change begins again."""
        self.subscribers: dict[Subscriber, None] = {}
        self.wanted = Event()
        """Set when there is something to do: the job's row or lines to read, or lines in the buffer to deliver."""
        self.wants_job = False
        self.wants_lines = False
        self._begin(job)
        self.apply_job(job)

    def _begin(self, job: Job) -> None:
        self.created_at: datetime = job.created_at
        self.last: int = max(0, job.last_line - _FIRST_LINES)
        self.status = ""
        self.over = False
        """Whether the job has ended and its last words are in the buffer."""
        self.deleted = False
        """Whether the log was deleted: nobody is to see any more of it."""
        self._ends_at: float | None = None
        self._buffer: deque[_Entry] = deque()
        self._buffer_bytes = 0
        self._chunks: dict[tuple[int, Subscription], tuple[bytes, int]] = {}

    def want_lines(self) -> None:
        """Have the lines after the last one read."""
        self.wants_lines = True
        self.wanted.set()

    def want_job(self) -> None:
        """Have the job's row read."""
        self.wants_job = True
        self.wanted.set()

    def refresh(self) -> None:
        """Read what is wanted, the job's row or new lines, and apply it."""
        if self.wants_job:
            self.wants_job = False
            known_last = self.last
            self.apply_job(jobs.get_job(self.job_id), known_last)
        if self.deleted:
            return
        if self.wants_lines or self.rest() is not None:
            self.wants_lines = False
            self._read_lines()

    def apply_job(self, job: Job, known_last: int = 0) -> None:
        """Apply the job's row: its status, and whether it still is the job that the buffer is of.

        ``known_last`` is what ``last`` was before the row was read: a row that has less is of another log, while
        one that only has less than ``last`` now is merely older than what came since.
        """
        if job.created_at != self.created_at or job.last_line < known_last:
            # The tables were restored or made anew under us: nothing that we hold is true any more.
            self._begin(job)
            self.generation += 1
            self.wake()
        if job.log_expired_at is not None:
            self.deleted = True
            self.status = job.status
            self._buffer.clear()
            self._chunks.clear()
            self.wake()
            return
        # A job ends once: a row that still has it running was read before.
        if self._ends_at is None:
            self.status = job.status
            self._ends_at = end_of_stream(job)
            if self._ends_at is not None:
                self.wanted.set()
        if job.last_line > self.last:
            self.over = False
            self.want_lines()

    def _read_lines(self) -> None:
        while True:
            began, generation = time.monotonic(), self.generation
            lines, cut = queries.read_lines(self.job_id, self.last, self.last + CHUNK_LINES, CHUNK_LINES)
            if self.generation != generation:
                continue  # these are of a log that is no more
            self.append(lines)
            if not cut and len(lines) < CHUNK_LINES:
                self.note_read(began)
                return
            self.deliver()
            gevent.sleep(0)

    def rest(self) -> float | None:
        """Return for how long nothing needs to be read unless it is wanted: until a finished job's streams end."""
        if self._ends_at is None or self.over or self.deleted:
            return None
        return max(0.0, self._ends_at - time.monotonic())

    def is_read(self, cursor: int) -> bool:
        """Whether nothing more will come for a subscriber at ``cursor``: the job has ended, or its log was deleted."""
        return self.deleted or (self.over and cursor >= self.last)

    def note_read(self, began: float) -> None:
        """Note that all was read that was there at ``began``: once the job has ended, those were its last words."""
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
                telemetry.lines_missing.inc()
                raise Unavailable(f"Gap in the log of job {self.job_id}: expected line {self.last + 1}, got {number}.")
            entry = _Entry(line, sse.text_events((line,)))
            self._buffer.append(entry)
            self._buffer_bytes += len(entry.text)
            self.last = number
        while self._buffer and (len(self._buffer) > BUFFER_LINES or self._buffer_bytes > BUFFER_BYTES):
            self._buffer_bytes -= len(self._buffer.popleft().text)
        self._chunks.clear()

    def wake(self) -> None:
        """Wake every subscriber."""
        for subscriber in self.subscribers:
            subscriber.wake()

    def deliver(self) -> None:
        """Write the newest lines to every waiting subscriber."""
        cursor, subscription, chunk, next_cursor = -1, None, b"", -1
        sent = 0
        turn_ends = time.monotonic() + _TURN_S
        for number, subscriber in enumerate(list(self.subscribers)):
            if not number % _TURN_SUBSCRIBERS and time.monotonic() > turn_ends:
                # Not a turn for sockets: with each POST that is let in between the round would begin anew.
                gevent.sleep(0)
                turn_ends = time.monotonic() + _TURN_S
                cursor = -1  # there may be more lines by now, or another log
            if not subscriber.waits or subscriber.cursor >= self.last:
                continue
            if subscriber.cursor + 1 < self._first:
                subscriber.wake()  # to read the tables
                continue
            if subscriber.cursor != cursor or subscriber.subscription is not subscription:
                cursor, subscription = subscriber.cursor, subscriber.subscription
                data, next_cursor = self._buffered_chunk(cursor, subscription)
                chunk = as_chunk(data)
                if next_cursor < self.last:
                    self.wanted.set()
            if chunk:
                sent += next_cursor - cursor
                subscriber.push(chunk, next_cursor)
            else:
                subscriber.pass_to(next_cursor)  # a filter let nothing through
        if sent:
            telemetry.lines_streamed.inc(sent)

    @property
    def _first(self) -> int:
        """The number of the oldest line in the buffer; of the next line where it is empty."""
        return self.last + 1 - len(self._buffer)

    def chunk(self, after: int, subscription: Subscription) -> tuple[bytes, int]:
        """Return the bytes of the next lines after ``after``, and the cursor after them; both in one piece."""
        if after >= self.last or self.deleted:
            return b"", after
        if after + 1 >= self._first:
            return self._buffered_chunk(after, subscription)
        return self._read_chunk(after, subscription)

    def _buffered_chunk(self, after: int, subscription: Subscription) -> tuple[bytes, int]:
        key = (after, subscription)
        found = self._chunks.get(key)
        if found is None:
            if len(self._chunks) >= _CACHED_CHUNKS:
                self._chunks.clear()
            found = self._chunks[key] = self._make_chunk(after, subscription)
        return found

    def _make_chunk(self, after: int, subscription: Subscription) -> tuple[bytes, int]:
        start = after + 1 - self._first
        entries = list(islice(self._buffer, start, start + CHUNK_LINES))
        admits = subscription.filter.admits
        parts = [self._encoded(entry, subscription) for entry in entries if admits(*entry.line[1:4])]
        return b"".join(parts), after + len(entries)

    def _encoded(self, entry: _Entry, subscription: Subscription) -> bytes:
        if not subscription.as_json:
            return entry.text
        if entry.json is None:
            entry.json = sse.json_event(self.job_id, entry.line)
        return entry.json

    def _read_chunk(self, after: int, subscription: Subscription) -> tuple[bytes, int]:
        """Read the next lines from the tables, for a subscriber that lags further than the buffer reaches."""
        # A client that takes all at once, and a file that answers at once, would leave no turn to the others.
        yield_turn()
        page = queries.read_page(self.job_id, after + 1, self.last, CHUNK_LINES, subscription.filter, descending=False)
        if subscription.as_json:
            return b"".join([sse.json_event(self.job_id, line) for line in page.lines]), page.cursor
        return sse.text_events(page.lines), page.cursor
