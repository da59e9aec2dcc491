"""Ends the jobs whose kernels promised a heartbeat and are no longer heard of; any number of processes may sweep."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import gevent

from services.logs import jobs
from services.logs.lines.ingest import Ingest
from services.logs.lines.levels import LEVEL_NUMBERS
from services.logs.lines.parse import NewBatch
from services.logs.tables import Job
from shared.errors import ServiceError
from shared.redaction import describe_failure
from shared.timestamps import format_time, to_micros

EVERY_S = 5.0
MISSED_HEARTBEATS = 3
SOURCE = "tunedeck"

log = logging.getLogger(__name__)


class ZombieSweep:
    """Sweeps every EVERY_S; its clock starts anew with the process, and after each failure to reach the tables.

    So that after an outage of ours nobody counts as silent who could not be heard.
    """

    def __init__(
        self, ingest: Ingest, announce: Callable[[int], None], *, listening_since: datetime | None = None
    ) -> None:
        self._ingest = ingest
        self._announce = announce
        self._listening_since = listening_since or datetime.now(UTC)

    def run(self) -> None:
        """Sweep for ever."""
        while True:
            gevent.sleep(EVERY_S * random.uniform(0.5, 1.5))  # the workers do not all look at once
            self.look()

    def look(self) -> None:
        """Sweep once, whatever the tables do."""
        try:
            self.sweep()
        except ServiceError as error:
            self._listening_since = datetime.now(UTC)
            log.warning("silent kernels are left to the next sweep: %s", error.message)
        except Exception as error:
            log.error("the sweep of silent kernels failed: %s", describe_failure(error))

    def sweep(self) -> None:
        """End each job whose kernel has been silent for too long, with a last line that says so."""
        for job in jobs.watched_jobs():
            silent = datetime.now(UTC) - max(job.last_seen_at, self._listening_since)
            if silent < MISSED_HEARTBEATS * timedelta(seconds=job.heartbeat_s or 0):
                continue
            reason = f"The kernel was last heard of at {format_time(job.last_seen_at)}."
            if jobs.end_silent(job, reason):
                self._say(job, reason)
                self._announce(job.id)

    def _say(self, job: Job, reason: str) -> None:
        line = (LEVEL_NUMBERS["error"], SOURCE, f"{reason} The job has failed.", to_micros(datetime.now(UTC)))
        self._ingest.store(job.id, NewBatch([line], single=False, body=b""), None)
