"""Pooled HTTP/1.1 connections to one server, over which a request is sent and its whole answer read.

A general client's own work (retries, redirects, URLs, headers in any shape) took half of what a request costs the
worker; what is left of it here is what one server and one kind of request need.
"""

from __future__ import annotations

import select
import socket
import ssl
import zlib
from collections import deque
from contextlib import closing
from http.client import HTTPException, HTTPMessage, HTTPResponse, IncompleteRead
from typing import NamedTuple

from gevent.monkey import get_original

_poll = get_original("select", "poll")
"""Not gevent's own, which yields and costs fifty times as much: nothing is waited for."""

_COMPRESSED = frozenset({"gzip", "x-gzip", "deflate"})
_EITHER = 32 + zlib.MAX_WBITS
"""zlib's own word for gzip's header or its own, whichever is there."""


class NoConnection(Exception):
    """The connection could not be made; nothing was sent."""


class Response(NamedTuple):
    status: int
    headers: HTTPMessage
    body: bytes


class HttpConnections:
    """Connections to a server, ``size`` of them kept; safe for many greenlets, each request on one of its own."""

    def __init__(self, host: str, port: int, *, tls: bool, size: int, connect_timeout_s: float) -> None:
        self._address = host, port
        self._tls = ssl.create_default_context() if tls else None
        self._size = size
        self._connect_timeout_s = connect_timeout_s
        self._idle: deque[socket.socket] = deque()

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def request(self, method: str, request: bytes, limit: int) -> Response:
        """Send a request's bytes and return its answer, of whose body at most ``limit`` bytes are read.

        Raises NoConnection (``__cause__`` says why), and OSError or HTTPException where the answer breaks off.
        """
        connection = self._take() or self._connect()
        is_good = False
        try:
            connection.sendall(request)
            with closing(HTTPResponse(connection, method=method)) as answer:
                answer.begin()
                body = _read_body(answer, limit)
                is_good = not answer.will_close and answer.isclosed() and len(self._idle) < self._size
            return Response(answer.status, answer.headers, body)
        finally:
            if is_good:
                self._idle.append(connection)
            else:
                connection.close()

    def _take(self) -> socket.socket | None:
        """Return an idle connection that the server has not closed, the one that was used last."""
        while self._idle:
            connection = self._idle.pop()
            if _is_open(connection):
                return connection
            connection.close()
        return None

    def _connect(self) -> socket.socket:
        try:
            connection = socket.create_connection(self._address, self._connect_timeout_s)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_hostname=self._address[0])
            connection.settimeout(None)
        except OSError as error:
            raise NoConnection from error
        return connection


def _is_open(connection: socket.socket) -> bool:
    """Say whether nothing came on an idle connection: an end, or bytes that answer no request, make it useless."""
    poll = _poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)


def _read_body(answer: HTTPResponse, limit: int) -> bytes:
    kind = answer.headers.get("Content-Encoding", "").strip().lower()
    body = answer.read(limit)
    if len(body) < limit and answer.length:
        raise IncompleteRead(body, answer.length)
    if kind not in _COMPRESSED or not body:
        return body
    try:
        return _inflate(body, limit, _EITHER)
    except zlib.error:
        pass
    try:
        return _inflate(body, limit, -zlib.MAX_WBITS)  # deflate without its header, as some send it
    except zlib.error as error:
        raise HTTPException(f"The answer is not {kind}.") from error


def _inflate(body: bytes, limit: int, window: int) -> bytes:
    decoder = zlib.decompressobj(window)
    return decoder.decompress(body, limit)
