"""Limits the concurrent downloads of a process, and the time that a client may take for a chunk."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from typing import Protocol

import gevent

from services.models import telemetry
from shared.errors import Unavailable

MAX_DOWNLOADS = 64
"""Of one process at once: each holds a connection to the store, and other requests want their turn."""

WRITE_TIMEOUT_S = 120.0
"""A client that takes less than a chunk in so long is cut off: it would hold its place for ever."""

_RETRY_AFTER_S = 10


class Socket(Protocol):
    """The client's connection, as far as its time-out goes."""

    def settimeout(self, value: float | None, /) -> None: ...


class DownloadLimit:
    """Admits at most MAX_DOWNLOADS at a time in this process."""

    def __init__(self) -> None:
        self._open = 0

    def begin(self, chunks: Generator[bytes], client: Socket | None) -> Generator[bytes]:
        """Return ``chunks`` with the first one read already, so that its error can still become an answer.

        Raises Unavailable where there are ``MAX_DOWNLOADS`` already. ``client`` is for its write time-out.
        """
        started = self._send(chunks, client)
        next(started)
        return started

    def _send(self, chunks: Generator[bytes], client: Socket | None) -> Generator[bytes]:
        if self._open >= MAX_DOWNLOADS:
            raise Unavailable("Too many downloads are under way.", retry_after=_RETRY_AFTER_S)
        self._open += 1
        telemetry.downloads_open.inc()
        try:
            with closing(chunks):
                first = next(chunks, b"")
                # For begin() alone: a generator that is closed before it was started does not close what it reads.
                yield b""
                if client is not None:
                    client.settimeout(WRITE_TIMEOUT_S)
                telemetry.archive_bytes.inc(len(first))
                yield first
                del first
                for chunk in chunks:
                    # A client that reads fast would keep the worker's other requests waiting.
                    gevent.sleep(0)
                    telemetry.archive_bytes.inc(len(chunk))
                    yield chunk
        finally:
            self._open -= 1
            telemetry.downloads_open.dec()
            if client is not None:
                client.settimeout(None)
