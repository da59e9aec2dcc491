"""HTTP requests that are over in time, however slowly their answer comes, on connections that are kept."""

from __future__ import annotations

import contextlib
import queue
import select
import socket
import threading
import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPSConnection
from typing import NamedTuple
from urllib.parse import urlsplit

_CONNECT_S = 5.0
_LOOK_S = 0.25


class Answer(NamedTuple):
    status: int
    headers: HTTPMessage
    body: bytes
    """At most ``limit`` + 1 bytes of it."""


class TooSlow(Exception):
    """The answer was not there in time."""


class Broken(Exception):
    """No connection, or one that broke, or what came is no HTTP."""


class BoundedHTTP:
    """Requests to the server at ``url``; used by several threads at once."""

    def __init__(self, url: str, headers: Mapping[str, str], *, timeout_s: float) -> None:
        parts = urlsplit(url)
        self._connection = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._host, self._port, self._path = parts.hostname or "", parts.port, parts.path.rstrip("/")
        self._headers = dict(headers)
        self._timeout_s = timeout_s
        self._idle: queue.LifoQueue[HTTPConnection] = queue.LifoQueue()
        self._overdue_at: dict[HTTPConnection, float] = {}
        threading.Thread(target=self._cut_overdue, name="deadlines", daemon=True).start()

    def request(self, method: str, path: str, body: bytes | None = None, *, limit: int) -> Answer:
        """Return the answer to a request, JSON where it has a body; raises TooSlow or Broken."""
        connection = self._take()
        began = time.monotonic()
        self._overdue_at[connection] = began + self._timeout_s
        try:
            answer = self._exchange(connection, method, path, body, limit)
        except TimeoutError as error:
            connection.close()
            raise TooSlow(f"No answer in {self._timeout_s:g} s: {error}") from error
        except (OSError, HTTPException) as error:
            connection.close()
            self._require_in_time(began)
            raise Broken(f"The connection failed: {type(error).__name__}: {error}") from error
        finally:
            del self._overdue_at[connection]
        # A connection that was cut may look like an answer that ended.
        self._require_in_time(began)
        self._idle.put(connection)
        return answer

    def _exchange(self, connection: HTTPConnection, method: str, path: str, body: bytes | None, limit: int) -> Answer:
        if connection.sock is None:
            connection.connect()
            connection.sock.settimeout(self._timeout_s)  # type: ignore[attr-defined]  # connect() has set it
        typed = {"Content-Type": "application/json"} if body is not None else {}
        connection.request(method, self._path + path, body, self._headers | typed)
        response = connection.getresponse()
        raw = response.read(limit + 1)
        if not response.isclosed():
            connection.close()
        return Answer(response.status, response.headers, raw)

    def _require_in_time(self, began: float) -> None:
        if time.monotonic() - began >= self._timeout_s:
            raise TooSlow(f"No answer in {self._timeout_s:g} s.")

    def _take(self) -> HTTPConnection:
        with contextlib.suppress(queue.Empty):
            connection = self._idle.get_nowait()
            # Bytes, or an end, that nobody asked for: the server has closed it.
            if connection.sock is not None and select.select([connection.sock], [], [], 0)[0]:
                connection.close()
            return connection
        return self._connection(self._host, self._port, timeout=_CONNECT_S)

    def _cut_overdue(self) -> None:
        """End what is overdue from outside: a socket's own time-out begins anew with every byte."""
        while True:
            time.sleep(_LOOK_S)
            now = time.monotonic()
            for connection, overdue_at in list(self._overdue_at.items()):
                if now > overdue_at and connection.sock is not None:
                    with contextlib.suppress(OSError):
                        # Past TLS, which would first say goodbye.
                        socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)
