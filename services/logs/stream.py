"""A live stream of one job's log: all behind the client's cursor, then whatever comes, until there is no more."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from services.logs import events
from services.logs.feed import Feed, Feeds, View, end_of_stream
from services.logs.tables import Job
from shared.errors import ServiceError

IDLE_S = 300.0
"""A stream without a log line for so long ends; heartbeats do not count."""

HEARTBEAT_S = 15.0
WRITE_DEADLINE_S = 30.0
"""A client that takes nothing for so long is cut off: it would hold its greenlet for ever."""

_MAX_ID = 2**63 - 1

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Start:
    """Where a stream begins: behind line ``cursor``; ``reset`` where the client's own cursor is of another log."""

    cursor: int = 0
    reset: bool = False


def find_start(last_line: int, last_event_id: str | None, tail: int | None) -> Start:
    """Return where to begin; an id that is no number counts as absent, one beyond the last line as another log's."""
    if last_event_id is not None and last_event_id.isascii() and last_event_id.isdigit():
        cursor = int(last_event_id) if len(last_event_id) < 20 else _MAX_ID
        return Start(cursor) if cursor <= last_line else Start(reset=True)
    return Start(max(0, last_line - tail)) if tail is not None else Start()


def nothing_left(job: Job, start: Start) -> bool:
    """Whether the log is over and the client has all of it: 204, the one answer that stops a browser."""
    ends_at = end_of_stream(job)
    return ends_at is not None and ends_at <= time.monotonic() and not start.reset and start.cursor >= job.last_line


class Streams:
    """The streams of one process, at most ``limit`` at once."""

    def __init__(self, feeds: Feeds, limit: int) -> None:
        self._feeds = feeds
        self._limit = limit
        self.open = 0

    def run(self, job: Job, start: Start, view: View, client: Any) -> Iterator[bytes]:
        """Yield the stream's bytes; ``client`` is the socket, for its write deadline."""
        yield events.OPENING
        if self.open >= self._limit:
            yield events.come_back(5, 15)
            return
        self.open += 1
        if client is not None:
            client.settimeout(WRITE_DEADLINE_S)
        try:
            with self._feeds.watch(job) as feed:
                yield from self._follow(feed, start, view)
        except ServiceError as error:
            # An error status would end a browser's EventSource for good; this makes it come back.
            log.warning("the stream of job %s ended: %s", job.id, error.message)
            yield events.come_back(2, 5)
        finally:
            self.open -= 1
            if client is not None:
                client.settimeout(None)

    def _follow(self, feed: Feed, start: Start, view: View) -> Iterator[bytes]:
        cursor = start.cursor
        generation = feed.generation
        if start.reset:
            yield events.control_event("reset", last_id=feed.last)
        now = time.monotonic()
        idle_at, heartbeat_at = now + IDLE_S, now + HEARTBEAT_S
        while True:
            if feed.generation != generation:
                generation, cursor = feed.generation, 0
                yield events.control_event("reset", last_id=feed.last)
            chunk, cursor = feed.chunk(cursor, view)
            now = time.monotonic()
            if chunk:
                idle_at, heartbeat_at = now + IDLE_S, now + HEARTBEAT_S
                yield chunk
            elif cursor < feed.last:
                continue
            elif feed.ends_at is not None and now >= feed.ends_at:
                yield events.control_event("end", status=feed.status)
                return
            elif not self._feeds.alive:
                yield events.come_back(0.5, 5)
                return
            elif now >= idle_at:
                yield events.control_event("timeout", seconds=int(IDLE_S))
                return
            elif now >= heartbeat_at:
                heartbeat_at = now + HEARTBEAT_S
                yield events.HEARTBEAT
            else:
                feed.wait(min(idle_at, heartbeat_at, feed.ends_at or idle_at) - now)


def apology() -> Iterator[bytes]:
    """The stream of a service that cannot look at its tables: come back soon."""
    yield events.OPENING
    yield events.come_back(2, 5)
