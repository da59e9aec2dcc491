"""The hub: all channels of one process, each refreshed when a notification says so.

The tables are the truth. A notification (this process's own commits, or Redis) only says when to read them, and a
tick every two seconds finds whatever a lost one left unread.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import gevent

from services.logs import jobs, telemetry
from services.logs.lines.parse import NewLine
from services.logs.streaming.channel import Channel
from services.logs.streaming.subscriber import Subscriber
from services.logs.tables import Job
from shared.notifier import Notifier
from shared.telemetry.failures import failures_logged

TOPIC = "logs"
"""Redis' own channel, on which all processes tell each other of news."""

TICK_S = 2.0

_GATHER_S = 0.005
_GATHER_S_PER_LINE = 0.0005
"""Lines that come faster than this wait for each other, so that many of them make one write to each subscriber."""

_SHUTDOWN_CHECK_S = 0.5

log = logging.getLogger(__name__)


class Hub:
    """Schedules: which channels there are, and when each reads and delivers."""

    def __init__(self, notifier: Notifier, alive: Callable[[], bool]) -> None:
        self._notifier = notifier
        self._alive = alive
        self._channels: dict[int, Channel] = {}
        self._started = False

    @property
    def alive(self) -> bool:
        """Whether the process goes on; streams end when it does not."""
        return self._alive()

    @contextmanager
    def watch(self, job: Job, subscriber: Subscriber) -> Iterator[Channel]:
        """Give the job's channel to a subscriber for the time of its stream."""
        if not self._started:
            self._started = True
            gevent.spawn(self._listen)
            gevent.spawn(self._tick)
        channel = self._channels.get(job.id)
        if channel is None:
            channel = self._channels[job.id] = Channel(job)
            gevent.spawn(self._follow, channel)
        channel.apply_job(job)
        channel.subscribers[subscriber] = None
        try:
            yield channel
        finally:
            del channel.subscribers[subscriber]

    def committed(self, job_id: int, first_id: int, lines: list[NewLine]) -> None:
        """Take in what this process has just stored, from ``first_id`` on, and notify the others."""
        channel = self._channels.get(job_id)
        if channel is not None and channel.last + 1 == first_id:
            channel.append([(line_id, *line) for line_id, line in enumerate(lines, start=first_id)])
            channel.wanted.set()
        elif channel is not None:
            channel.want_lines()
        self._notifier.publish(TOPIC, str(job_id), str(first_id + len(lines) - 1))

    def announce(self, job_id: int) -> None:
        """Notify every process that the job's row changed."""
        self._want_job(job_id)
        # Under a key of its own: of two notifications with one key only the later goes out.
        self._notifier.publish(TOPIC, f"{job_id} job")

    def _want_job(self, job_id: int) -> None:
        channel = self._channels.get(job_id)
        if channel is not None:
            channel.want_job()

    def _listen(self) -> None:
        for notification in self._notifier.subscribe(TOPIC):
            if notification is None:
                telemetry.subscriptions.inc()
                for job_id in list(self._channels):
                    self._want_job(job_id)
                continue
            key, last = notification
            number, _, of_job = key.partition(" ")
            channel = self._channels.get(int(number)) if number.isdecimal() else None
            if channel is None:
                continue
            if of_job:
                channel.want_job()
            elif last.isdecimal() and int(last) > channel.last:
                channel.want_lines()

    def _tick(self) -> None:
        looked = time.monotonic()
        while True:
            slept = time.monotonic()
            gevent.sleep(_SHUTDOWN_CHECK_S)
            telemetry.hub_stall.observe(time.monotonic() - slept - _SHUTDOWN_CHECK_S)
            if not self._alive():
                # Each time, for a stream may have been reading when the others were told.
                for channel in self._channels.values():
                    channel.wake()
            elif time.monotonic() - looked >= TICK_S:
                looked = time.monotonic()
                self._look()

    def _look(self) -> None:
        for unwatched in [channel for channel in self._channels.values() if not channel.subscribers]:
            del self._channels[unwatched.job_id]
            unwatched.wanted.set()
        known = {job_id: channel.last for job_id, channel in self._channels.items()}
        with _logged("the tick could not look"):
            most = 0
            for job in jobs.get_jobs(list(known)):
                if (watched := self._channels.get(job.id)) is not None:
                    lag = job.last_line - watched.last
                    most = max(most, lag)
                    if lag > 0 and not watched.wants_lines:
                        telemetry.ticks_found_lines.inc()
                    watched.apply_job(job, known[job.id])
            telemetry.channel_lag.set(most)

    def _follow(self, channel: Channel) -> None:
        """Have a channel read and deliver what is new, as long as it is watched.

        A lone line goes out at once. Lines that come fast wait for each other, and for as long as the last round of
        writes took: however many the subscribers are, half of the time is left to those who push.
        """
        rested_at, delivered = 0.0, channel.last
        while self._channels.get(channel.job_id) is channel:
            channel.wanted.wait(channel.rest())
            gevent.sleep(max(0.0, rested_at - time.monotonic()))
            channel.wanted.clear()
            with _logged(f"job {channel.job_id} could not be read"):
                channel.refresh()
            began, lines = time.monotonic(), channel.last - delivered
            channel.deliver()
            delivered, now = channel.last, time.monotonic()
            rested_at = now + max(min(_GATHER_S, lines * _GATHER_S_PER_LINE), now - began)


def _logged(what: str) -> AbstractContextManager[None]:
    """Log a failure and go on, after a pause: what refreshes the channels must outlive every failure of the tables."""
    return failures_logged(log, what, lambda: gevent.sleep(TICK_S))
