"""Posts a batch to the logs service and returns the result; raises nothing and logs nothing."""

from __future__ import annotations

import zlib

from tunedeck_client.shipping.batch import LINES, Kind
from tunedeck_client.shipping.points import body_of
from tunedeck_client.transport.server import JSON, Answer, Server

_LINES_HEADERS = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}


class Post:
    """Posts batches to one job. Raises ValueError for a url or token that cannot work.

    A job that is yet to be created has no number: `job_id` is None then, and is set once it is known.
    """

    def __init__(self, url: str, job_id: int | None, token: str | None, timeout: float) -> None:
        self.url = url
        self.job_id = job_id
        self._server = Server(url, token, timeout)

    def set_token(self, token: str) -> None:
        """Send by this token from now on."""
        self._server = self._server.with_token(token)

    def __call__(self, key: str, records: bytes, kind: Kind = LINES) -> Answer:
        """Send encoded lines or points on a new connection: a stale one would look like a dead service."""
        if self.job_id is None:
            return Answer(0, None, "the job is not created yet")
        path = f"/api/v1/jobs/{self.job_id}/{kind.resource}"
        if kind == LINES:
            return self._server.ask("POST", path, _gzip(records), {**_LINES_HEADERS, "Idempotency-Key": key})
        return self._server.ask("POST", path, body_of(records), {**JSON, "Idempotency-Key": key})

    def abort(self) -> None:
        """Break off the request in flight, and each later one: the process ends."""
        self._server.abort()


def _gzip(data: bytes) -> bytes:
    # Not the gzip module: its header holds the time, and a retry must send the same bytes.
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    return packer.compress(data) + packer.flush()
