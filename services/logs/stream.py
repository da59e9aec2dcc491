"""A live stream of one job's log: all behind the client's cursor, then whatever comes, until there is no more."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from services.logs import events, jobs, metrics, paging
from services.logs.feed import Feed, end_of_stream
from services.logs.feeds import Feeds
from services.logs.paging import Filter
from services.logs.shared_reads import SharedReads
from services.logs.tables import Job
from services.logs.viewer import View, Viewer
from shared.errors import ServiceError, Unavailable

IDLE_S = 300.0
"""A stream without a log line for so long ends; heartbeats do not count."""

HEARTBEAT_S = 15.0
WRITE_DEADLINE_S = 30.0
"""A client that takes nothing for so long is cut off: it would hold its greenlet for ever."""

_MAX_ID = 2**63 - 1

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Client:
    """The connection of a stream, and whether its answer goes out in chunks; without one by the server's means only."""

    connection: Any = None
    chunked: bool = False


@dataclass(frozen=True)
class Start:
    """Where a stream begins: behind line ``cursor``; ``reset`` where the client's own cursor is of another log."""

    cursor: int = 0
    reset: bool = False


def find_start(last_line: int, last_event_ids: tuple[str | None, ...], tail: int | None) -> Start:
    """Return where to begin: behind the first id that is a number, else at the ``tail``, else at line 1.

    An id beyond the last line is another log's.
    """
    for sent in last_event_ids:
        if sent is not None and sent.isascii() and sent.isdigit():
            cursor = int(sent) if len(sent) < 20 else _MAX_ID
            return Start(cursor) if cursor <= last_line else Start(reset=True)
    return Start(max(0, last_line - tail)) if tail is not None else Start()


def nothing_left(job: Job, start: Start, wanted: Filter) -> bool:
    """Whether the log is over and the client has all of it: 204, the one answer that stops a browser."""
    ends_at = end_of_stream(job)
    if ends_at is None or ends_at > time.monotonic() or start.reset:
        return False
    # The last line that a filter lets through may lie well before the last line.
    return start.cursor >= job.last_line or (
        bool(wanted) and not paging.has_line(job.id, start.cursor, job.last_line, wanted)
    )


class Streams:
    """The streams of one process, at most ``limit`` at once."""

    def __init__(self, feeds: Feeds, limit: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._feeds = feeds
        self._limit = limit
        self._clock = clock
        self._jobs = SharedReads(jobs.find_job)
        self.open = 0

    def start(
        self, job_id: int, last_event_ids: tuple[str | None, ...], tail: int | None, view: View, client: Client
    ) -> Iterator[bytes] | None:
        """Return a stream's bytes, or None where there is nothing left to send; NotFound without such a job."""
        try:
            job = self._jobs.get(job_id)
            start = find_start(job.last_line, last_event_ids, tail)
            return None if nothing_left(job, start, view.wanted) else self.run(job, start, view, client)
        except Unavailable:  # a browser's EventSource gives up for good on an error status
            return _apology()

    def run(self, job: Job, start: Start, view: View, client: Client = Client()) -> Iterator[bytes]:
        """Yield the stream's bytes, except for those that the feed writes to the client meanwhile."""
        yield events.OPENING
        if self.open >= self._limit:
            yield events.come_back(5, 15)
            return
        self.open += 1
        metrics.open_streams.inc()
        if client.connection is not None:
            client.connection.settimeout(WRITE_DEADLINE_S)
        writing_since = self._clock()
        viewer = Viewer(view, start.cursor, client.connection if client.chunked else None, self._clock)
        try:
            with self._feeds.watch(job, viewer) as feed:
                for data in self._follow(feed, start, viewer):
                    writing_since = self._clock()
                    yield data
        except (GeneratorExit, TimeoutError):
            if self._clock() - writing_since >= WRITE_DEADLINE_S:
                metrics.write_timeouts.inc()
            raise
        except ServiceError as error:
            # An error status would end a browser's EventSource for good; this makes it come back.
            log.warning("the stream of job %s ended: %s", job.id, error.message)
            yield events.come_back(2, 5)
        finally:
            self.open -= 1
            metrics.open_streams.dec()
            if client.connection is not None:
                client.connection.settimeout(None)

    def _follow(self, feed: Feed, start: Start, viewer: Viewer) -> Iterator[bytes]:
        generation = feed.generation
        if start.reset:
            yield events.control_event("reset")
        beat_at = viewer.sent_at
        while self._feeds.alive:
            if feed.generation != generation:
                generation, viewer.cursor = feed.generation, 0
                yield events.control_event("reset")
            chunk, behind = feed.chunk(viewer.cursor, viewer.view)
            if feed.generation != generation:
                continue  # the log became another one while it was read
            viewer.cursor = behind
            now = self._clock()
            idle_at = viewer.sent_at + IDLE_S
            heartbeat_at = max(viewer.sent_at, beat_at) + HEARTBEAT_S
            if chunk:
                viewer.sent_at = now
                yield chunk
            elif feed.over and viewer.cursor >= feed.last:
                yield events.control_event("end", status=feed.status)
                return
            elif now >= idle_at:
                yield events.control_event("timeout", seconds=int(IDLE_S))
                return
            elif now >= heartbeat_at:
                beat_at = now
                yield events.HEARTBEAT
            elif viewer.cursor >= feed.last:
                viewer.wait(min(idle_at, heartbeat_at) - now)
        yield events.come_back(0.5, 5)


def _apology() -> Iterator[bytes]:
    """The stream of a service that cannot look at its tables: come back soon."""
    yield events.OPENING
    yield events.come_back(2, 5)
