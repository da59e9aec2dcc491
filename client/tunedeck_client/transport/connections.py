"""HTTP exchanges on connections that are kept, one for each thread and host; standard library only."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from typing import BinaryIO, Callable, Iterator, Mapping, NamedTuple, Tuple, TypeVar, Union
from urllib.parse import urlsplit

from tunedeck_client.errors import BadFolder

SEND_BYTES = 1024 * 1024

# How a peer's close shows itself on a connection that was kept too long.
_LOST = (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError, ConnectionAbortedError)

Place = Tuple[str, str]
"""Scheme, and host with port."""

T = TypeVar("T")


class Section(NamedTuple):
    """A part of a file that is sent as a body; `on_sent` is told how many of its bytes have gone out.

    A file that ends before them raises BadFolder.
    """

    file: BinaryIO
    offset: int
    size: int
    on_sent: Callable[[int], None]


Body = Union[bytes, Section, None]


class _Kept(threading.local):
    def __init__(self) -> None:
        self.connections: dict[Place, http.client.HTTPConnection] = {}


class Connections:
    """Connections to any hosts; thread-safe, for each thread has its own."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._kept = _Kept()
        # The sockets beside their connections, which let go of them when the response is the last.
        self._made: dict[http.client.HTTPConnection, socket.socket | None] = {}

    def abort(self) -> None:
        """Break off what is in flight in any thread, and what begins later; it raises as `exchange` does."""
        self._timeout = 0.001
        for connection, made in list(self._made.items()):
            in_use = made or connection.sock  # inside of its TLS handshake it is not made yet
            if in_use is not None:
                with contextlib.suppress(OSError):
                    in_use.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close all; call it once no other thread uses them."""
        for connection in list(self._made):
            connection.close()
        self._made.clear()
        self._kept = _Kept()

    def exchange(
        self,
        method: str,
        url: str,
        body: Body,
        headers: Mapping[str, str],
        read: Callable[[http.client.HTTPResponse], T],
    ) -> T:
        """Send a request and return what `read` makes of the response. Raises OSError and HTTPException."""
        place = urlsplit(url)[:2]
        connection, response = self._open(place, method, url, body, headers)
        try:
            # Not left to its finalizer, in which a Ctrl-C would be lost: io drops what is raised there.
            with response:
                found = read(response)
                is_whole = response.isclosed()
            if is_whole and not response.will_close:
                self._kept.connections[place] = connection
            return found
        finally:
            if self._kept.connections.get(place) is not connection:
                self._close(connection)

    @contextlib.contextmanager
    def opened(
        self, method: str, url: str, body: Body, headers: Mapping[str, str]
    ) -> Iterator[http.client.HTTPResponse]:
        """Send a request on a connection of its own, for a response that is read as it comes."""
        connection = self._new(urlsplit(url)[:2])
        try:
            with self._ask(connection, method, url, body, headers) as response:
                yield response
        finally:
            self._close(connection)

    def _open(
        self, place: Place, method: str, url: str, body: Body, headers: Mapping[str, str]
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        kept = self._kept.connections.pop(place, None)
        if kept is not None:
            with contextlib.suppress(*_LOST):  # closed since the last request, which says nothing of the next
                return kept, self._ask(kept, method, url, body, headers)
        connection = self._new(place)
        return connection, self._ask(connection, method, url, body, headers)

    def _ask(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        url: str,
        body: Body,
        headers: Mapping[str, str],
    ) -> http.client.HTTPResponse:
        try:
            if connection not in self._made:
                self._made[connection] = None
                connection.connect()
                self._made[connection] = connection.sock
            _send(connection, method, url, body, headers)
            return connection.getresponse()
        except BaseException:
            self._close(connection)
            raise

    def _new(self, place: Place) -> http.client.HTTPConnection:
        scheme, host = place
        of_scheme = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
        return of_scheme(host, timeout=self._timeout)

    def _close(self, connection: http.client.HTTPConnection) -> None:
        self._made.pop(connection, None)
        connection.close()


def _send(
    connection: http.client.HTTPConnection, method: str, url: str, body: Body, headers: Mapping[str, str]
) -> None:
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    # A server that refuses early stops reading; its response can be read all the same.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        if not isinstance(body, Section):
            connection.request(method, target, body, dict(headers))
            return
        connection.putrequest(method, target)
        for name, value in {**headers, "Content-Length": str(body.size)}.items():
            connection.putheader(name, value)
        connection.endheaders()
        _send_section(connection, body)


def _send_section(connection: http.client.HTTPConnection, body: Section) -> None:
    sent = 0
    while sent < body.size:
        count = min(SEND_BYTES, body.size - sent)
        # By the kernel, where it can: a copy through Python would cost as much as the checksum.
        if connection.sock.sendfile(body.file, body.offset + sent, count) < count:
            raise BadFolder(f"{body.file.name} changed while it was uploaded")
        sent += count
        body.on_sent(sent)
