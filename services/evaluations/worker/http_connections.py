"""Pooled HTTP/1.1 connections to one server, over which a request is sent and its whole answer read.

A general client's own work (retries, redirects, URLs, headers in any shape) took half of what a request costs the
worker; what is here is what one server and one kind of request need.
"""

from __future__ import annotations

import select
import socket
import ssl
from collections import deque
from io import BufferedReader
from typing import NamedTuple

from gevent.monkey import get_original

from services.evaluations.worker.http_response import Response, read_response

_poll = get_original("select", "poll")
"""Not gevent's own, which yields and costs fifty times as much: nothing is waited for."""


class NoConnection(Exception):
    """The connection could not be made; nothing was sent. ``__cause__`` says why."""


class _Connection(NamedTuple):
    socket: socket.socket
    file: BufferedReader

    def close(self) -> None:
        self.file.close()
        self.socket.close()


class HttpConnections:
    """Connections to a server, ``size`` of them kept; safe for many greenlets, each request on one of its own."""

    def __init__(self, host: str, port: int, *, tls: bool, size: int, connect_timeout_s: float) -> None:
        self._address = host, port
        self._tls = ssl.create_default_context() if tls else None
        if self._tls is not None:
            self._tls.set_alpn_protocols(["http/1.1"])
        self._size = size
        self._connect_timeout_s = connect_timeout_s
        self._idle: deque[_Connection] = deque()

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def request(self, request: bytes, limit: int) -> Response:
        """Send a request's bytes and return its answer, of whose body at most ``limit`` bytes are read.

        Raises NoConnection, and OSError or BadResponse where the answer breaks off or is none.
        """
        connection = self._take() or self._connect()
        is_good = False
        try:
            connection.socket.sendall(request)
            response = read_response(connection.file, limit)
            is_good = not response.is_last and len(self._idle) < self._size
            return response
        finally:
            if is_good:
                self._idle.append(connection)
            else:
                connection.close()

    def _take(self) -> _Connection | None:
        """Return an idle connection that the server has not closed, the one that was used last."""
        while self._idle:
            connection = self._idle.pop()
            if _is_open(connection):
                return connection
            connection.close()
        return None

    def _connect(self) -> _Connection:
        try:
            made = socket.create_connection(self._address, self._connect_timeout_s)
            try:
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._tls is not None:
                    made = self._tls.wrap_socket(made, server_hostname=self._address[0])
                made.settimeout(None)
            except BaseException:
                made.close()
                raise
        except OSError as error:
            raise NoConnection from error
        return _Connection(made, made.makefile("rb"))


def _is_open(connection: _Connection) -> bool:
    """Say whether nothing came on an idle connection: an end, or bytes that answer no request, make it useless."""
    poll = _poll()
    poll.register(connection.socket.fileno(), select.POLLIN)
    if poll.poll(0):
        return False
    # Bytes that came together with the last answer are in its reader.
    connection.socket.settimeout(0)
    try:
        return not connection.file.peek(1)
    except ssl.SSLWantReadError:
        return True
    finally:
        connection.socket.settimeout(None)
