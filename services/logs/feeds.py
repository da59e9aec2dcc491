"""The feeds of one process, and the greenlets that fill them on a doorbell.

The tables are the truth. A doorbell (this process's own commits, or Redis) only says when to read them, and a
tick every two seconds finds whatever a lost doorbell left unread.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import gevent

from services.logs import jobs, metrics, paging
from services.logs.feed import CHUNK_LINES, Feed
from services.logs.lines import NewLine
from services.logs.tables import Job
from services.logs.viewer import Viewer
from shared.doorbell import Doorbell
from shared.errors import ServiceError

CHANNEL = "logs"
TICK_S = 2.0

_GATHER_S = 0.005
_GATHER_S_PER_LINE = 0.0005
"""Lines that come faster than this wait for each other, so that many of them make one write to each viewer."""

_SHUTDOWN_CHECK_S = 0.5

log = logging.getLogger(__name__)


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
    def watch(self, job: Job, viewer: Viewer) -> Iterator[Feed]:
        """Give the job's feed to a viewer for the time of its stream."""
        if not self._started:
            self._started = True
            gevent.spawn(self._listen)
            gevent.spawn(self._tick)
        feed = self._feeds.get(job.id)
        if feed is None:
            feed = self._feeds[job.id] = Feed(job)
            gevent.spawn(self._follow, feed)
        feed.note_job(job)
        feed.viewers[viewer] = None
        try:
            yield feed
        finally:
            del feed.viewers[viewer]

    def committed(self, job_id: int, first_id: int, lines: list[NewLine]) -> None:
        """Take in what this process has just stored, from ``first_id`` on, and tell the others."""
        feed = self._feeds.get(job_id)
        if feed is not None and feed.last + 1 == first_id:
            feed.append([(line_id, *line) for line_id, line in enumerate(lines, start=first_id)])
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
                metrics.subscriptions.inc()
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
            slept = time.monotonic()
            gevent.sleep(_SHUTDOWN_CHECK_S)
            metrics.hub_stall.observe(time.monotonic() - slept - _SHUTDOWN_CHECK_S)
            if not self._alive():
                # Each time, for a stream may have been reading when the others were told.
                for feed in self._feeds.values():
                    feed.wake()
            elif time.monotonic() - looked >= TICK_S:
                looked = time.monotonic()
                self._look()

    def _look(self) -> None:
        for unwatched in [feed for feed in self._feeds.values() if not feed.viewers]:
            del self._feeds[unwatched.job_id]
            unwatched.wanted.set()
        known = {job_id: feed.last for job_id, feed in self._feeds.items()}
        with _logged("the tick could not look"):
            most = 0
            for job in jobs.find_jobs(list(known)):
                if (watched := self._feeds.get(job.id)) is not None:
                    lag = job.last_line - watched.last
                    most = max(most, lag)
                    if lag > 0 and not watched.look_at_lines:
                        metrics.ticks_found_lines.inc()
                    watched.note_job(job, known[job.id])
            metrics.feed_lag.set(most)

    def _follow(self, feed: Feed) -> None:
        """Bring a feed's viewers what is new, as long as it is watched.

        A lone line goes out at once. Lines that come fast wait for each other, and for as long as the last round of
        writes took: however many the viewers are, half of the time is left to those who push.
        """
        rested_at, delivered = 0.0, feed.last
        while self._feeds.get(feed.job_id) is feed:
            feed.wanted.wait(feed.rest())
            gevent.sleep(max(0.0, rested_at - time.monotonic()))
            feed.wanted.clear()
            with _logged(f"job {feed.job_id} could not be read"):
                self._refresh(feed)
            began, lines = time.monotonic(), feed.last - delivered
            feed.deliver()
            delivered, now = feed.last, time.monotonic()
            rested_at = now + max(min(_GATHER_S, lines * _GATHER_S_PER_LINE), now - began)

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
            lines, cut = paging.read_lines(feed.job_id, feed.last, feed.last + CHUNK_LINES, CHUNK_LINES)
            if feed.generation != generation:
                continue  # these are of a log that is no more
            feed.append(lines)
            if not cut and len(lines) < CHUNK_LINES:
                feed.note_read(began)
                return
            feed.deliver()
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
