"""A live stream of one job's log: all lines after the client's cursor, then new ones as they come, until its end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from services.logs import jobs, telemetry
from services.logs.lines import queries
from services.logs.lines.hold import require_log
from services.logs.lines.queries import Filter
from services.logs.streaming import sse
from services.logs.streaming.channel import Channel, end_of_stream
from services.logs.streaming.hub import Hub
from services.logs.streaming.subscriber import Subscriber, Subscription
from services.logs.tables import Job
from shared.errors import ServiceError, Unavailable
from shared.single_flight import SingleFlight

IDLE_S = 300.0
"""A stream without a log line for so long ends; heartbeats do not count."""

HEARTBEAT_S = 15.0
CHECK_CLIENT_S = 300.0
"""How often it is looked whether the client may still read."""

WRITE_TIMEOUT_S = 30.0
"""A client that takes nothing for so long is cut off: it would hold its greenlet for ever."""

_MAX_ID = 2**63 - 1

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Connection:
    """The client's socket, and whether its answer goes out in chunks; without a socket by the server's means only.

    ``may_read`` says whether what it came with still lets it.
    """

    socket: Any = None
    chunked: bool = False
    may_read: Callable[[], bool] = lambda: True


@dataclass(frozen=True)
class Start:
    """Where a stream begins: after line ``cursor``; ``reset`` where the client's own cursor is of another log."""

    cursor: int = 0
    reset: bool = False


def find_start(last_line: int, last_event_ids: tuple[str | None, ...], tail: int | None) -> Start:
    """Return where to begin: after the first id that is a number, else at the ``tail``, else at line 1.

    An id beyond the last line is another log's.
    """
    for sent in last_event_ids:
        if sent is not None and sent.isascii() and sent.isdigit():
            cursor = int(sent) if len(sent) < 20 else _MAX_ID
            return Start(cursor) if cursor <= last_line else Start(reset=True)
    return Start(max(0, last_line - tail)) if tail is not None else Start()


def nothing_left(job: Job, start: Start, line_filter: Filter) -> bool:
    """Whether the log is over and the client has all of it: 204, the one answer that stops a browser."""
    ends_at = end_of_stream(job)
    if ends_at is None or ends_at > time.monotonic() or start.reset:
        return False
    # The last line that a filter lets through may lie well before the last line.
    return start.cursor >= job.last_line or (
        bool(line_filter) and not queries.has_line(job.id, start.cursor, job.last_line, line_filter)
    )


class Streams:
    """The streams of one process, at most ``limit`` at once."""

    def __init__(self, hub: Hub, limit: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._hub = hub
        self._limit = limit
        self._clock = clock
        self._jobs = SingleFlight(jobs.get_job)
        telemetry.streams_limit.set(limit)
        self.open = 0

    @property
    def is_full(self) -> bool:
        return self.open >= self._limit

    def start(
        self,
        job_id: int,
        last_event_ids: tuple[str | None, ...],
        tail: int | None,
        subscription: Subscription,
        connection: Connection,
        *,
        follow: bool = True,
    ) -> Iterator[bytes] | None:
        """Return a stream's bytes, or None where there is nothing left to send.

        Without ``follow`` it ends after the lines that there are. Raises NotFound without such a job, and Gone where
        its log was deleted.
        """
        try:
            job = self._jobs.get(job_id)
            require_log(job)
            start = find_start(job.last_line, last_event_ids, tail)
            if nothing_left(job, start, subscription.filter):
                return None
            return self.run(job, start, subscription, connection, until=None if follow else job.last_line)
        except Unavailable:  # a browser's EventSource gives up for good on an error status
            return iter((sse.OPENING, sse.come_back(2, 5)))

    def run(
        self,
        job: Job,
        start: Start,
        subscription: Subscription,
        connection: Connection = Connection(),
        *,
        until: int | None = None,
    ) -> Iterator[bytes]:
        """Yield the stream's bytes, except for those that the channel writes to the client meanwhile.

        It ends with the job, and once line ``until`` has been reached.
        """
        yield sse.OPENING
        if self.is_full:
            telemetry.streams_refused.inc()
            yield sse.come_back(5, 15)
            return
        self.open += 1
        telemetry.open_streams.inc()
        if connection.socket is not None:
            connection.socket.settimeout(WRITE_TIMEOUT_S)
        writing_since = self._clock()
        socket = connection.socket if connection.chunked else None
        subscriber = Subscriber(subscription, start.cursor, socket, self._clock, until=until)
        try:
            with self._hub.watch(job, subscriber) as channel:
                for data in self._follow(channel, start, subscriber, connection.may_read):
                    writing_since = self._clock()
                    yield data
        except (GeneratorExit, TimeoutError):
            if self._clock() - writing_since >= WRITE_TIMEOUT_S:
                telemetry.write_timeouts.inc()
            raise
        except ServiceError as error:
            # An error status would end a browser's EventSource for good; this makes it come back.
            log.warning("the stream of job %s ended: %s", job.id, error.message)
            yield sse.come_back(2, 5)
        finally:
            self.open -= 1
            telemetry.open_streams.dec()
            if connection.socket is not None:
                connection.socket.settimeout(None)

    def _follow(
        self, channel: Channel, start: Start, subscriber: Subscriber, may_read: Callable[[], bool]
    ) -> Iterator[bytes]:
        generation, until = channel.generation, subscriber.until
        if start.reset:
            yield sse.control_event("reset")
        beat_at = subscriber.sent_at
        check_at = self._clock() + CHECK_CLIENT_S
        while self._hub.alive:
            if channel.generation != generation:
                generation, subscriber.cursor = channel.generation, 0
                yield sse.control_event("reset")
            chunk, cursor = channel.chunk(subscriber.cursor, subscriber.subscription)
            if channel.generation != generation:
                continue  # the log became another one while it was read
            passed, subscriber.cursor = cursor - subscriber.cursor, cursor
            now = self._clock()
            if now >= check_at:
                if not may_read():
                    break  # it comes back, and is told then
                check_at = now + CHECK_CLIENT_S
            idle_at = subscriber.sent_at + IDLE_S
            heartbeat_at = max(subscriber.sent_at, beat_at) + HEARTBEAT_S
            if chunk:
                subscriber.sent_at = now
                telemetry.lines_streamed.inc(passed)
                yield chunk
            elif channel.is_read(subscriber.cursor) or (until is not None and subscriber.cursor >= until):
                yield sse.control_event("end", status=channel.status)
                return
            elif now >= idle_at:
                yield sse.control_event("timeout", seconds=int(IDLE_S))
                return
            elif now >= heartbeat_at:
                beat_at = now
                yield sse.HEARTBEAT
            elif subscriber.cursor >= channel.last:
                subscriber.wait(min(idle_at, heartbeat_at) - now)
        yield sse.come_back(0.5, 5)
