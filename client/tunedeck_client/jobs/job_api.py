"""Requests about a job to the logs service; none raises."""

from __future__ import annotations

import json
from typing import Any, Mapping

from tunedeck_client.transport.server import JSON, Answer, Server

TERMINAL = ("completed", "failed", "cancelled")
MAX_ERROR_CHARS = 1000
JOB_TOKEN = "tj_"

_JOBS = "/api/v1/jobs"


class JobApi:
    """The jobs of one service. Raises ValueError for a url or token that cannot work."""

    def __init__(self, url: str, *, token: str | None = None, timeout: float = 10.0) -> None:
        self._address = (url, timeout)
        self._server = Server(url, token, timeout)

    @property
    def may_be_a_kernels(self) -> bool:
        """Whether our token is none that a job has for itself, so that it may be one which only claims."""
        return self._server.token is not None and not self._server.token.startswith(JOB_TOKEN)

    def with_token(self, token: str) -> JobApi:
        """Return the same service's jobs by another token."""
        url, timeout = self._address
        return JobApi(url, token=token, timeout=timeout)

    def show_caller(self) -> Answer:
        """Ask whose our token is, and what its scopes are; everybody may."""
        return self._server.ask("GET", "/api/v1/session")

    def make_token(self, job_id: int) -> Answer:
        """Ask for the token of a job, which may do all that its training needs and nothing else."""
        return self._server.ask("POST", f"{_JOBS}/{job_id}/token")

    def create(self, new: Mapping[str, Any], key: str) -> Answer:
        """Create a job; with the same idempotency key again it is the same one."""
        return self._server.ask("POST", _JOBS, _encode(new), {**JSON, "Idempotency-Key": key})

    def show(self, job_id: int) -> Answer:
        return self._server.ask("GET", f"{_JOBS}/{job_id}")

    def claim(self, job_id: int, kernel: str, heartbeat_s: int, progress: float | None = None) -> Answer:
        """Claim a job, or say that its kernel lives."""
        told: dict[str, Any] = {"status": "running", "kernel": kernel, "heartbeat_s": heartbeat_s}
        if progress is not None:
            told["progress"] = progress
        return self._server.ask("PUT", f"{_JOBS}/{job_id}", _encode(told))

    def end(self, job_id: int, status: str, kernel: str, error: str | None) -> Answer:
        """End a job, as a failure with the reason."""
        told = {"status": status, "kernel": kernel}
        if error is not None:
            told["error"] = error[:MAX_ERROR_CHARS]
        return self._server.ask("PUT", f"{_JOBS}/{job_id}", _encode(told))

    def abort(self) -> None:
        """Break off the request in flight, and each later one."""
        self._server.abort()


def _encode(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record).encode()
