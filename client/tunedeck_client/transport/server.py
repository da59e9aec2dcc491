"""Asks a server over HTTP, one request a connection; raises nothing, and every answer says what it is."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
from typing import Any, Mapping, NamedTuple
from urllib.parse import urlsplit

from tunedeck_client.transport.retry_after import read_retry_after
from tunedeck_client.version import __version__

MAX_RESPONSE_BYTES = 512 * 1024  # a single line comes back whole
JSON = {"Content-Type": "application/json"}


class Answer(NamedTuple):
    """The response: `status` is 0 where none came, `retry_after` is in seconds where the server sent it.

    `record` is its JSON object, `reason` what it says in words.
    """

    status: int
    retry_after: float | None
    reason: str
    record: dict[str, Any] | None = None

    @property
    def is_error(self) -> bool:
        """Whether it is an error that a service wrote, and not what a proxy on the way made up."""
        record = self.record
        return (
            record is not None
            and record.get("code") == self.status
            and isinstance(record.get("message"), str)
        )


class Server:
    """Sends requests to one address. Raises ValueError for a url or token that cannot work."""

    def __init__(self, url: str, token: str | None, timeout: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"url must be like http://127.0.0.1:8001, not {url!r}")
        self._connection: http.client.HTTPConnection | None = None
        self._connection_class = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        self._host, self._port, self._timeout = parts.hostname, parts.port, timeout
        self._prefix = parts.path.rstrip("/")
        self._headers = {"Connection": "close", "User-Agent": f"tunedeck-client/{__version__}"}
        self.token = token or os.environ.get("TUNEDECK_TOKEN") or None
        if self.token:
            if not (self.token.isascii() and self.token.isprintable()):
                raise ValueError("token must be printable ASCII")
            self._headers["Authorization"] = f"Bearer {self.token}"

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = JSON
    ) -> Answer:
        """Send a request on a new connection, and return the answer to it."""
        connection = self._connection_class(self._host, self._port, timeout=self._timeout)
        self._connection = connection
        try:
            connection.connect()
            # A server that refuses early stops reading; its response can be read all the same.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, self._prefix + path, body, {**self._headers, **headers})
            with connection.getresponse() as response:
                data = response.read(MAX_RESPONSE_BYTES)
            retry_after = read_retry_after(response.getheader("Retry-After"))
            record = _record(data)
            return Answer(response.status, retry_after, _reason(data, record), record)
        except (OSError, http.client.HTTPException, ValueError) as error:
            return Answer(0, None, f"{type(error).__name__}: {error}")
        finally:
            connection.close()

    def abort(self) -> None:
        """Break off the request in flight, and each later one: the process ends."""
        self._timeout = 0.001
        connection = self._connection
        if connection is not None and connection.sock is not None:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)


def _record(body: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _reason(body: bytes, record: dict[str, Any] | None) -> str:
    if record is not None and "message" in record:
        said = f"{record['message']} {record.get('errors') or ''}"
    else:
        said = body.decode("utf-8", "replace")
    return " ".join(said.split())[:300]
