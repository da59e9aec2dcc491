"""Posts a batch to the logs service and returns the result; raises nothing and logs nothing."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time
import zlib
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import urlsplit

from tunedeck_client.version import __version__

MAX_RESPONSE_BYTES = 512 * 1024  # a single line comes back whole
MAX_RETRY_AFTER = 300.0  # s; a longer Retry-After counts as this


class PostResult(NamedTuple):
    """The response: `status` is 0 where none came, `retry_after` is in seconds where the service sent it.

    `is_ours`: its body is one that the logs service writes, and not what a proxy on the way made up.
    """

    status: int
    retry_after: float | None
    reason: str
    is_ours: bool = False


class Post:
    """Posts batches to one job's log. Raises ValueError for a url or token that cannot work."""

    def __init__(self, url: str, job_id: int, token: str | None, timeout: float) -> None:
        self.url = url
        self._connection: http.client.HTTPConnection | None = None
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"url must be like http://127.0.0.1:8001, not {url!r}")
        self._connection_class = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        self._host, self._port, self._timeout = parts.hostname, parts.port, timeout
        self._path = f"{parts.path.rstrip('/')}/api/v1/jobs/{job_id}/logs"
        self._headers = {
            "Content-Type": "application/x-ndjson",
            "Content-Encoding": "gzip",
            "Connection": "close",
            "User-Agent": f"tunedeck-client/{__version__}",
        }
        if token:
            if not (token.isascii() and token.isprintable()):
                raise ValueError("token must be printable ASCII")
            self._headers["Authorization"] = f"Bearer {token}"

    def __call__(self, key: str, lines: bytes) -> PostResult:
        """Send encoded lines on a new connection: a stale one would look like a dead service."""
        connection = self._connection_class(self._host, self._port, timeout=self._timeout)
        self._connection = connection
        try:
            connection.connect()
            # A server that refuses early stops reading; its response can be read all the same.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                headers = {**self._headers, "Idempotency-Key": key}
                connection.request("POST", self._path, _gzip(lines), headers)
            response = connection.getresponse()
            body = response.read(MAX_RESPONSE_BYTES)
            retry_after = _seconds(response.getheader("Retry-After"))
            return PostResult(response.status, retry_after, _reason(body), _is_ours(response.status, body))
        except (OSError, http.client.HTTPException, ValueError) as error:
            return PostResult(0, None, f"{type(error).__name__}: {error}")
        finally:
            connection.close()

    def abort(self) -> None:
        """Break off the request in flight, and each later one: the process ends."""
        self._timeout = 0.001
        connection = self._connection
        if connection is not None and connection.sock is not None:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)


def _is_ours(status: int, body: bytes) -> bool:
    """Whether the logs service wrote this: what it stored, or an error in its shape."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return False
    if not isinstance(answer, dict):
        return False
    if status == 201:
        return "count" in answer or "job_id" in answer
    return answer.get("code") == status and isinstance(answer.get("message"), str)


def _gzip(data: bytes) -> bytes:
    # Not the gzip module: its header holds the time, and a retry must send the same bytes.
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    return packer.compress(data) + packer.flush()


def _seconds(retry_after: str | None) -> float | None:
    if not retry_after:
        return None
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(retry_after).timestamp() - time.time()
        except (TypeError, ValueError, IndexError):
            return None
    return max(0.0, min(seconds, MAX_RETRY_AFTER))


def _reason(body: bytes) -> str:
    try:
        error = json.loads(body)
        said = f"{error['message']} {error.get('errors') or ''}"
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        said = body.decode("utf-8", "replace")
    return " ".join(said.split())[:300]
