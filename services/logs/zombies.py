"""Ends the jobs whose kernels promised a heartbeat and are no longer heard of; any number of processes may sweep."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime

import gevent

from services.logs import jobs
from services.logs.lines.ingest import Ingest
from services.logs.lines.levels import LEVEL_NUMBERS
from services.logs.lines.parse import NewBatch
from services.logs.tables import Job
from shared.telemetry.failures import failures_logged
from shared.timestamps import format_time, to_micros

EVERY_S = 5.0
MISSED_HEARTBEATS = 3
SOURCE = "tunedeck"

log = logging.getLogger(__name__)


class ZombieSweep:
    """Sweeps every EVERY_S; a kernel is silent for as long as this process sees no news of it, by its own clock.

    The news has the time of whichever machine took it, and clocks differ. The watch begins anew with the process, and
    after each failure to reach the tables: after an outage of ours nobody counts as silent who could not be heard.
    """

    def __init__(
        self, ingest: Ingest, announce: Callable[[int], None], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ingest = ingest
        self._announce = announce
        self._clock = clock
        self._heard: dict[int, tuple[datetime, float]] = {}
        """By job when its kernel was last heard of, and since when we know."""

    def run(self) -> None:
        """Sweep for ever."""
        while True:
            gevent.sleep(EVERY_S * random.uniform(0.5, 1.5))  # the workers do not all look at once
            self.look()

    def look(self) -> None:
        """End each job whose kernel has been silent for too long, with a last line that says so."""
        with failures_logged(log, "silent kernels are left to the next sweep", lambda: self._heard.clear()):
            watched, now = jobs.watched_jobs(), self._clock()
            self._heard = {job.id: self._news(job, now) for job in watched}
            for job in watched:
                if now - self._heard[job.id][1] < MISSED_HEARTBEATS * (job.heartbeat_s or 0):
                    continue
                reason = f"The kernel was last heard of at {format_time(job.last_seen_at)}."
                if jobs.end_silent(job, reason):
                    text = f"{reason} The job has failed."
                    line = (LEVEL_NUMBERS["error"], SOURCE, text, to_micros(datetime.now(UTC)))
                    self._ingest.store(job.id, NewBatch([line], single=False, body=b""), None)
                    self._announce(job.id)

    def _news(self, job: Job, now: float) -> tuple[datetime, float]:
        known = self._heard.get(job.id)
        return known if known is not None and known[0] == job.last_seen_at else (job.last_seen_at, now)
