"""Repeats a job's claim from a thread: a sign of life for the service, and how a cancellation is noticed."""

from __future__ import annotations

import threading
from typing import Callable

from tunedeck_client.jobs.claimed_job import ClaimedJob
from tunedeck_client.lines.text import say

BEAT_EVERY_S = 10.0


class Heartbeat(threading.Thread):
    """A thread that calls `on_end` once, with the status that somebody else has given the job.

    What the service otherwise answers, and whether it does, never stops it: a training outlives an outage.
    """

    def __init__(
        self, job: ClaimedJob, on_end: Callable[[str], None], *, every_s: float = BEAT_EVERY_S
    ) -> None:
        super().__init__(name="tunedeck-heartbeat", daemon=True)
        self._job = job
        self._on_end = on_end
        self._every_s = every_s
        self._stopping = threading.Event()
        self._noted: set[int] = set()

    def stop(self) -> None:
        """Claim no more, and tell of no end: it is ours."""
        self._stopping.set()

    def has_ended(self) -> bool:
        """Break off the request in flight and wait for the thread; False where it hangs in the system."""
        self._stopping.set()
        self._job.abort()
        if self.ident is not None:
            self.join(1.0)
        return not self.is_alive()

    def run(self) -> None:
        while not self._stopping.wait(self._every_s):
            answer = self._job.claim()
            if answer.status == 409 and answer.is_error:
                status = self._job.ended_as()
                if status is not None and not self._stopping.is_set():
                    self._on_end(status)
                    return
            if answer.status not in (0, 200) and answer.status < 500 and answer.status not in self._noted:
                self._noted.add(answer.status)
                say(f"the job cannot be claimed, the service answers {answer.status} {answer.reason}")
