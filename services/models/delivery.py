"""The bytes of an archive as they go out: the small ones together, paced, and to so many clients at once."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from typing import Protocol

import gevent

from services.models.archive import Read
from services.models.prefetching import read_pieces
from services.models.reading import Content
from shared.errors import Unavailable
from shared.store import Store

MAX_DOWNLOADS = 64
"""Of one process at once: each holds a connection to the store, and other requests want their turn."""

WRITE_DEADLINE_S = 120.0
"""A client that takes less than a chunk in so long is cut off: it would hold its place for ever."""

_RETRY_AFTER_S = 10
_SMALL_BYTES = 64 * 1024
"""Pieces below this go out together: each write costs more than copying it does."""


class Client(Protocol):
    """The socket that an answer goes to."""

    def settimeout(self, value: float | None, /) -> None: ...


def send_pieces(store: Store, contents: Sequence[Content], pieces: Iterable[bytes | Read]) -> Generator[bytes]:
    """Yield what ``pieces`` name, the small ones together; nothing before the first file of them was opened."""
    pending = b""
    with closing(read_pieces(store, contents, pieces)) as turns:
        for turn in turns:
            if isinstance(turn, bytes):
                pending += turn
                if len(pending) >= _SMALL_BYTES:
                    yield pending
                    pending = b""
                continue
            with closing(turn) as chunks:
                for chunk in chunks:
                    if len(chunk) < _SMALL_BYTES:
                        yield pending + chunk
                    else:
                        # Joining the two would copy the large one.
                        if pending:
                            yield pending
                        yield chunk
                    pending = b""
    if pending:
        yield pending


class Deliveries:
    """The downloads that one process is sending."""

    def __init__(self) -> None:
        self._open = 0

    def begin(self, chunks: Generator[bytes], client: Client | None) -> Generator[bytes]:
        """Return ``chunks`` with the first one read already, so that what is wrong with it can still be answered.

        Raises Unavailable where there are ``MAX_DOWNLOADS`` already. ``client`` is for its write deadline.
        """
        started = self._send(chunks, client)
        next(started)
        return started

    def _send(self, chunks: Generator[bytes], client: Client | None) -> Generator[bytes]:
        if self._open >= MAX_DOWNLOADS:
            raise Unavailable("Too many downloads are under way.", retry_after=_RETRY_AFTER_S)
        self._open += 1
        try:
            with closing(chunks):
                first = next(chunks, b"")
                # For begin() alone: a generator that is closed before it was started does not close what it reads.
                yield b""
                if client is not None:
                    client.settimeout(WRITE_DEADLINE_S)
                yield first
                del first
                for chunk in chunks:
                    # A client that reads fast would keep the worker's other requests waiting.
                    gevent.sleep(0)
                    yield chunk
        finally:
            self._open -= 1
            if client is not None:
                client.settimeout(None)
