"""Posts a batch to the logs service and returns the result; raises nothing and logs nothing."""

from __future__ import annotations

import zlib
from typing import NamedTuple

from tunedeck_client.shipping.batch import LINES, Kind
from tunedeck_client.shipping.points import body_of
from tunedeck_client.transport.server import JSON, Answer, Server

_LINES_HEADERS = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}


class PostResult(NamedTuple):
    """The response: `status` is 0 where none came, `retry_after` is in seconds where the service sent it.

    `is_ours`: its body is one that the logs service writes, and not what a proxy on the way made up.
    """

    status: int
    retry_after: float | None
    reason: str
    is_ours: bool = False


class Post:
    """Posts batches to one job. Raises ValueError for a url or token that cannot work.

    A job that is yet to be created has no number: `job_id` is None then, and is set once it is known.
    """

    def __init__(self, url: str, job_id: int | None, token: str | None, timeout: float) -> None:
        self.url = url
        self.job_id = job_id
        self._timeout = timeout
        self._server = Server(url, token, timeout)

    def set_token(self, token: str) -> None:
        """Send by this token from now on."""
        self._server = Server(self.url, token, self._timeout)

    def __call__(self, key: str, records: bytes, kind: Kind = LINES) -> PostResult:
        """Send encoded lines or points on a new connection: a stale one would look like a dead service."""
        if self.job_id is None:
            return PostResult(0, None, "the job is not created yet")
        path = f"/api/v1/jobs/{self.job_id}/{kind.resource}"
        if kind == LINES:
            sent = self._server.ask("POST", path, _gzip(records), {**_LINES_HEADERS, "Idempotency-Key": key})
        else:
            sent = self._server.ask("POST", path, body_of(records), {**JSON, "Idempotency-Key": key})
        return PostResult(sent.status, sent.retry_after, sent.reason, _is_ours(sent))

    def abort(self) -> None:
        """Break off the request in flight, and each later one: the process ends."""
        self._server.abort()


def _is_ours(answer: Answer) -> bool:
    """Whether the logs service wrote this: what it stored, or an error in its shape."""
    if answer.status == 201:
        return answer.record is not None and ("count" in answer.record or "job_id" in answer.record)
    return answer.is_error


def _gzip(data: bytes) -> bytes:
    # Not the gzip module: its header holds the time, and a retry must send the same bytes.
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    return packer.compress(data) + packer.flush()
