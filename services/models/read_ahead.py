"""Reads a body ahead of whoever stores it, so that its sender and the store need not wait for each other."""

from __future__ import annotations

import io
from typing import Protocol

import gevent
from gevent.queue import Queue

PIECE_BYTES = 256 * 1024
_PIECES = 64
"""Of 256 KiB: the 16 MiB of one part, beside those that the store's client has in hand."""


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class ReadAhead(io.RawIOBase):
    """What ``source`` gives, read by a greenlet of its own until this is closed; what it raises, ``read`` raises."""

    def __init__(self, source: Readable) -> None:
        self._pieces: Queue[bytes | Exception] = Queue(maxsize=_PIECES)
        self._left = b""
        self._ended = False
        self._reader = gevent.spawn(self._read_all, source)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Return ``size`` bytes, fewer only at the end; there is no reading of all at once."""
        parts = []
        while size > 0 and not self._ended:
            piece = self._left or self._next()
            self._ended = not piece
            parts.append(piece[:size])
            self._left = piece[size:]
            size -= len(parts[-1])
        return b"".join(parts)

    def close(self) -> None:
        self._reader.kill()
        super().close()

    def _next(self) -> bytes:
        piece: bytes | Exception = self._pieces.get()
        if isinstance(piece, Exception):
            raise piece
        return piece

    def _read_all(self, source: Readable) -> None:
        piece = b"-"
        while piece:
            try:
                piece = source.read(PIECE_BYTES)
            except Exception as error:  # whatever it is belongs to whoever reads
                self._pieces.put(error)
                return
            self._pieces.put(piece)
