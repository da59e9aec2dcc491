"""What this process knows of the jobs that it streams: a ring of each one's newest events, filled on a doorbell.

The tables are the truth. A doorbell (this process's own commits, or Redis) only says when to read them, and a
tick every two seconds finds whatever a lost doorbell left unread.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import gevent
from gevent.event import Event

from services.logs import events, jobs, paging
from services.logs.lines import NewLine
from services.logs.paging import Filter, StoredLine
from services.logs.tables import Job
from shared.doorbell import Doorbell
from shared.errors import ServiceError, Unavailable

CHANNEL = "logs"
RING_LINES = 2_000
RING_BYTES = 2**20
CHUNK_LINES = 500
"""A stream's write holds at most this many lines; a new feed begins with as many, for the clients that come back."""

_KEPT_CHUNKS = 8
"""Viewers who are up to date ask for the same bytes, made once; each straggler's own are not worth keeping."""

TICK_S = 2.0
LAST_WORDS_S = 2.0
"""How long a finished job's stream stays open for lines that come late."""

_GATHER_S = 0.005
"""Lines that come faster than this wait for each other, so that many of them make one write to each viewer."""

_SHUTDOWN_CHECK_S = 0.5

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class View:
    """What a stream wants of a feed: which lines, and in which form."""

    as_json: bool = False
    wanted: Filter = Filter()


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
    """One watched job. Streams read it by their own cursor and wait on it together."""

    def __init__(self, job: Job) -> None:
        self.job_id: int = job.id
        self.generation = 0
        """Counts how often the log turned out to be another one; a stream that sees it change begins again."""
        self.watchers = 0
        self.wanted = Event()
        """Set when there is something to do: the job's row or lines to read, or lines in the ring to tell of."""
        self.look_at_job = False
        self.look_at_lines = False
        self._changed = Event()
        self._begin(job)
        self.note_job(job)

    def _begin(self, job: Job) -> None:
        self.epoch: datetime = job.created_at
        self.last: int = max(0, job.last_line - CHUNK_LINES)
        self.status = ""
        self.over = False
        """Whether the job has ended and its last words are in the ring."""
        self._ends_at: float | None = None
        self._ring: deque[_Entry] = deque()
        self._ring_bytes = 0
        self._chunks: dict[tuple[int, bool], tuple[bytes, int]] = {}

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
            if line.id <= self.last:
                continue
            if line.id != self.last + 1:
                raise Unavailable(f"Job {self.job_id} has line {line.id} behind line {self.last}.")
            entry = _Entry(line)
            self._ring.append(entry)
            self._ring_bytes += len(entry.text)
            self.last = line.id
        while self._ring and (len(self._ring) > RING_LINES or self._ring_bytes > RING_BYTES):
            self._ring_bytes -= len(self._ring.popleft().text)
        self._chunks.clear()

    def wake(self) -> None:
        changed, self._changed = self._changed, Event()
        changed.set()

    def wait(self, timeout: float) -> None:
        """Return when something changed, or after ``timeout`` seconds."""
        self._changed.wait(timeout)

    def chunk(self, after: int, view: View) -> tuple[bytes, int]:
        """Return the bytes of the next lines behind ``after``, and the cursor behind them; both in one piece."""
        if after >= self.last:
            return b"", after
        first = self._ring[0].line.id if self._ring else self.last + 1
        if after + 1 < first:
            return self._read_chunk(after, view)
        if view.wanted:
            return self._ring_chunk(after, first, view)
        key = (after, view.as_json)
        found = self._chunks.get(key)
        if found is None:
            if len(self._chunks) >= _KEPT_CHUNKS:
                self._chunks.clear()
            found = self._chunks[key] = self._ring_chunk(after, first, view)
        return found

    def _ring_chunk(self, after: int, first: int, view: View) -> tuple[bytes, int]:
        start = after + 1 - first
        entries = [self._ring[index] for index in range(start, min(len(self._ring), start + CHUNK_LINES))]
        parts = [
            self._encoded(entry, view) for entry in entries if view.wanted.admits(entry.line.level, entry.line.source)
        ]
        return b"".join(parts), entries[-1].line.id

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
        page = paging.read_page(self.job_id, after + 1, self.last, RING_LINES, view.wanted, descending=False)
        if view.as_json:
            parts = [events.json_event(self.job_id, line) for line in page.lines]
        else:
            parts = [events.text_event(line) for line in page.lines]
        return b"".join(parts), page.cursor


class Feeds:
    """The feeds of one process, and the greenlets that keep them true."""

    def __init__(self, doorbell: Doorbell, alive: Callable[[], bool]) -> None:
        self._doorbell = doorbell
        self._alive = alive
        self._feeds: dict[int, Feed] = {}
        self._started = False

    @property
    def alive(self) -> bool:
        """Whether the process goes on; streams end when it does not."""
        return self._alive()

    @contextmanager
    def watch(self, job: Job) -> Iterator[Feed]:
        """Give the job's feed while a stream needs it."""
        if not self._started:
            self._started = True
            gevent.spawn(self._listen)
            gevent.spawn(self._tick)
        feed = self._feeds.get(job.id)
        if feed is None:
            feed = self._feeds[job.id] = Feed(job)
            gevent.spawn(self._follow, feed)
        feed.note_job(job)
        feed.watchers += 1
        try:
            yield feed
        finally:
            feed.watchers -= 1

    def committed(self, job_id: int, first_id: int, lines: list[NewLine]) -> None:
        """Take in what this process has just stored, from ``first_id`` on, and tell the others."""
        feed = self._feeds.get(job_id)
        if feed is not None and feed.last + 1 == first_id:
            feed.append([StoredLine(line_id, *line) for line_id, line in enumerate(lines, start=first_id)])
            feed.wanted.set()
        elif feed is not None:
            feed.want_lines()
        self._doorbell.ring(CHANNEL, str(job_id), str(first_id + len(lines) - 1))

    def announce(self, job_id: int) -> None:
        """Tell every process that the job's row changed."""
        self._mark(job_id)
        # Under a key of its own: of two rings with one key only the later goes out.
        self._doorbell.ring(CHANNEL, f"{job_id} job")

    def _mark(self, job_id: int) -> None:
        feed = self._feeds.get(job_id)
        if feed is not None:
            feed.want_job()

    def _listen(self) -> None:
        for ring in self._doorbell.listen(CHANNEL):
            if ring is None:
                for job_id in list(self._feeds):
                    self._mark(job_id)
                continue
            key, last = ring
            number, _, of_job = key.partition(" ")
            feed = self._feeds.get(int(number)) if number.isdecimal() else None
            if feed is None:
                continue
            if of_job:
                feed.want_job()
            elif last.isdecimal() and int(last) > feed.last:
                feed.want_lines()

    def _tick(self) -> None:
        looked = time.monotonic()
        while True:
            gevent.sleep(_SHUTDOWN_CHECK_S)
            if not self._alive():
                # Each time, for a stream may have been reading when the others were told.
                for feed in self._feeds.values():
                    feed.wake()
            elif time.monotonic() - looked >= TICK_S:
                looked = time.monotonic()
                self._look()

    def _look(self) -> None:
        for unwatched in [feed for feed in self._feeds.values() if not feed.watchers]:
            del self._feeds[unwatched.job_id]
            unwatched.wanted.set()
        known = {job_id: feed.last for job_id, feed in self._feeds.items()}
        with _logged("the tick could not look"):
            for job in jobs.find_jobs(list(known)):
                if (watched := self._feeds.get(job.id)) is not None:
                    watched.note_job(job, known[job.id])

    def _follow(self, feed: Feed) -> None:
        """Bring a feed's viewers what is new, as long as it is watched.

        A lone line goes out at once. Lines that come fast wait for each other, and for as long as the last round of
        writes took: however many the viewers are, half of the time is left to those who push.
        """
        rested_at = 0.0
        while self._feeds.get(feed.job_id) is feed:
            feed.wanted.wait(feed.rest())
            gevent.sleep(max(0.0, rested_at - time.monotonic()))
            feed.wanted.clear()
            with _logged(f"job {feed.job_id} could not be read"):
                self._refresh(feed)
            feed.wake()
            began = time.monotonic()
            gevent.sleep(0)  # comes back when every viewer has been written to
            now = time.monotonic()
            rested_at = now + max(_GATHER_S, now - began)

    def _refresh(self, feed: Feed) -> None:
        if feed.look_at_job:
            feed.look_at_job = False
            known_last = feed.last
            feed.note_job(jobs.find_job(feed.job_id), known_last)
        if feed.look_at_lines or feed.rest() is not None:
            feed.look_at_lines = False
            self._read(feed)

    def _read(self, feed: Feed) -> None:
        while True:
            began, generation = time.monotonic(), feed.generation
            lines, cut = paging.read_lines(feed.job_id, feed.last, feed.last + RING_LINES, RING_LINES)
            if feed.generation != generation:
                continue  # these are of a log that is no more
            feed.append(lines)
            if not cut and len(lines) < RING_LINES:
                feed.note_read(began)
                return
            feed.wake()
            gevent.sleep(0)


@contextmanager
def _logged(what: str) -> Iterator[None]:
    """Log a failure and go on, after a pause: what keeps the feeds true must outlive every failure of the tables."""
    try:
        yield
    except ServiceError as error:
        log.warning("%s: %s", what, error.message)
        gevent.sleep(TICK_S)
    except Exception:
        log.exception("%s", what)
        gevent.sleep(TICK_S)
