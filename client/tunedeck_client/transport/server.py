"""Asks a server over HTTP, one request a connection; raises nothing, and every answer says what it is."""

from __future__ import annotations

import http.client
import os
from typing import Any, Mapping, NamedTuple

from tunedeck_client.json_objects import parse_object
from tunedeck_client.transport.address import authorization, base_url
from tunedeck_client.transport.connections import Connections
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

    @property
    def is_passing(self) -> bool:
        """Whether the same request may succeed later, for the service is away or full."""
        return self.status in (0, 408, 429) or self.status >= 500


class Server:
    """Sends requests to one address. Raises ValueError for a url or token that cannot work."""

    def __init__(self, url: str, token: str | None, timeout: float) -> None:
        self.url = base_url(url)
        self.token = token or os.environ.get("TUNEDECK_TOKEN") or None
        self._timeout = timeout
        self._connections = Connections(timeout)
        self._headers = {
            "Connection": "close",
            "User-Agent": f"tunedeck-client/{__version__}",
            **authorization(self.token),
        }

    def with_token(self, token: str) -> Server:
        """Return the same server, asked by another token."""
        return Server(self.url, token, self._timeout)

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = JSON
    ) -> Answer:
        """Send a request on a new connection, and return the answer to it."""
        sent = {**self._headers, **headers}
        try:
            with self._connections.opened(method, self.url + path, body, sent) as response:
                data = response.read(MAX_RESPONSE_BYTES)
        except (OSError, http.client.HTTPException, ValueError) as error:
            return Answer(0, None, f"{type(error).__name__}: {error}")
        record = parse_object(data)
        retry_after = read_retry_after(response.headers.get("Retry-After"))
        return Answer(response.status, retry_after, _reason(data, record), record)

    def abort(self) -> None:
        """Break off the request in flight, and each later one: the process ends."""
        self._connections.abort()


def _reason(body: bytes, record: dict[str, Any] | None) -> str:
    if record is not None and "message" in record:
        said = f"{record['message']} {record.get('errors') or ''}"
    else:
        said = body.decode("utf-8", "replace")
    return " ".join(said.split())[:300]
