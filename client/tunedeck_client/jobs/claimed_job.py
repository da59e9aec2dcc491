"""A job that one kernel works on: created at the first chance, claimed, and ended once."""

from __future__ import annotations

import json
import socket
import threading
from typing import Any, Callable, Mapping

from tunedeck_client.lines.text import clean
from tunedeck_client.shipping.folder import host_id
from tunedeck_client.transport.server import JSON, Answer, Server

HEARTBEAT_S = 30  # the service ends a job that was not heard of for three times as long
TERMINAL = ("completed", "failed", "cancelled")
MAX_ERROR_CHARS = 1000
JOB_TOKEN = "tj_"

_JOBS = "/api/v1/jobs"


def kernel_name() -> str:
    """Return this machine's name as a kernel, the same after a restart, so that its claim stands."""
    return f"tunedeck-run@{clean(socket.gethostname())[:200]}-{host_id()}"


class ClaimedJob:
    """`job_id` is None until the service has created the job from `new`. Thread-safe, and raises nothing.

    A token of the scope `kernel` claims jobs under its own name and does nothing else to them: for the rest
    the job's own `token` is asked for, and `job_id` of a job that is there is None until that is known, too.
    """

    def __init__(
        self,
        server: Server,
        kernel: str,
        *,
        job_id: int | None = None,
        new: Mapping[str, Any] | None = None,
        key: str = "",
    ) -> None:
        # Ours may be a kernel's unless it is one that a job has for itself.
        may_be_a_kernels = server.token is not None and not server.token.startswith(JOB_TOKEN)
        self.job_id = None if may_be_a_kernels else job_id
        self.kernel = kernel
        self.token: str | None = None
        self.progress: float | None = None
        self.on_created: Callable[[int], None] = lambda job_id: None
        self._server = server
        self._there = job_id
        self._new = new or {}
        self._key = key
        self._lock = threading.Lock()

    def claim(self) -> Answer:
        """Create the job if need be, and claim it: the first time to have it, then as a sign of life."""
        with self._lock:
            if self.job_id is None:
                answer = self._create() if self._there is None else self._identify(self._there)
                if self.job_id is None:
                    return answer
                self.on_created(self.job_id)
            return self._claim(self.job_id)

    def _claim(self, job_id: int) -> Answer:
        progress = {} if self.progress is None else {"progress": self.progress}
        return self._put(job_id, "running", {"heartbeat_s": HEARTBEAT_S, **progress})

    def _put(self, job_id: int, status: str, told: Mapping[str, Any]) -> Answer:
        record = {"status": status, "kernel": self.kernel, **told}
        return self._server.ask("PUT", f"{_JOBS}/{job_id}", json.dumps(record).encode())

    def _create(self) -> Answer:
        # With the same idempotency key again it is the same job.
        headers = {**JSON, "Idempotency-Key": self._key}
        answer = self._server.ask("POST", _JOBS, json.dumps(self._new).encode(), headers)
        job_id = (answer.record or {}).get("ID")
        if answer.status == 201 and isinstance(job_id, int):
            self.job_id = job_id
        return answer

    def _identify(self, job_id: int) -> Answer:
        """Set `job_id` once it is known by which token the job is worked on."""
        answer = self._server.ask("GET", "/api/v1/session")
        if answer.is_passing:
            return answer
        caller = answer.record or {}
        if _is_kernel(caller):
            self.kernel = str(caller["name"])
            answer = self._claim(job_id)
            # 409: it has ended, under our name perhaps, and its last lines are still to be sent.
            if answer.status not in (200, 409):
                return answer
            token = self._server.ask("POST", f"{_JOBS}/{job_id}/token")
            if token.status == 201 and token.record is not None:
                self.token = str(token.record["token"])
                self._server = self._server.with_token(self.token)
            elif answer.status == 200:
                return token
        self.job_id = job_id
        return answer

    def ended_as(self) -> str | None:
        """Return the job's status where it has ended; None also where the service does not say."""
        if self.job_id is None:
            return None
        status = (self._server.ask("GET", f"{_JOBS}/{self.job_id}").record or {}).get("status")
        return status if status in TERMINAL else None

    def end(self, status: str, error: str | None) -> Answer:
        """End the job, which must be claimed for that; the same end again is no error."""
        answer = self.claim()
        if self.job_id is None or answer.status not in (200, 409):
            return answer
        return self._put(self.job_id, status, {} if error is None else {"error": error[:MAX_ERROR_CHARS]})

    def abort(self) -> None:
        """Break off the request in flight, and each later one."""
        self._server.abort()


def _is_kernel(caller: Mapping[str, Any]) -> bool:
    scopes = caller.get("scopes")
    return (
        isinstance(scopes, list) and "kernel" in scopes and "write" not in scopes and bool(caller.get("name"))
    )
