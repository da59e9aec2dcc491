"""A job that one kernel works on: created at the first chance, claimed, and ended once."""

from __future__ import annotations

import socket
import threading
from typing import Any, Callable, Mapping

from tunedeck_client.jobs.job_api import TERMINAL, JobApi
from tunedeck_client.lines.text import clean
from tunedeck_client.shipping.folder import host_id
from tunedeck_client.transport.server import Answer

HEARTBEAT_S = 30  # the service ends a job that was not heard of for three times as long


def kernel_name() -> str:
    """Return this machine's name as a kernel, the same after a restart, so that its claim stands."""
    return f"tunedeck-run@{clean(socket.gethostname())[:200]}-{host_id()}"


class ClaimedJob:
    """`job_id` is None until the service has created the job from `new`. Thread-safe, and raises nothing."""

    def __init__(
        self,
        api: JobApi,
        kernel: str,
        *,
        job_id: int | None = None,
        new: Mapping[str, Any] | None = None,
        key: str = "",
    ) -> None:
        self.job_id = job_id
        self.kernel = kernel
        self.progress: float | None = None
        self.on_created: Callable[[int], None] = lambda job_id: None
        self._api = api
        self._new = new or {}
        self._key = key
        self._lock = threading.Lock()

    def claim(self) -> Answer:
        """Create the job if need be, and claim it: the first time to have it, then as a sign of life."""
        with self._lock:
            if self.job_id is None:
                answer = self._api.create(self._new, self._key)
                job_id = (answer.record or {}).get("ID")
                if answer.status != 201 or not isinstance(job_id, int):
                    return answer
                self.job_id = job_id
                self.on_created(job_id)
            return self._api.claim(self.job_id, self.kernel, HEARTBEAT_S, self.progress)

    def ended_as(self) -> str | None:
        """Return the job's status where it has ended; None also where the service does not say."""
        if self.job_id is None:
            return None
        status = (self._api.show(self.job_id).record or {}).get("status")
        return status if status in TERMINAL else None

    def end(self, status: str, error: str | None) -> Answer:
        """End the job, which must be claimed for that; the same end again is no error."""
        answer = self.claim()
        if self.job_id is None or (answer.status != 409 and answer.status != 200):
            return answer
        return self._api.end(self.job_id, status, self.kernel, error)

    def abort(self) -> None:
        """Break off the request in flight, and each later one."""
        self._api.abort()
