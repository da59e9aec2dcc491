"""A file that streams in: limited, counted, and handed on only as far as it is whole."""

from __future__ import annotations

import gevent

from shared.errors import BadRequest, TooLarge
from shared.store import Readable

MAX_FILE_BYTES = 500 * 2**20
_PATIENCE_S = 60
"""For each piece: a sender that is slower than 4 KiB/s is cut off."""


class Incoming:
    """Reads ``source`` once, at most MAX_FILE_BYTES of it; what is wrong with it raises from ``read``.

    Its end comes only after all of it proved right, so whoever waits for the end stores nothing that is broken. A
    subclass looks at what comes in ``_take`` and has the last word in ``_finish``.
    """

    piece_bytes = 256 * 1024
    """What is read at once; after each piece the worker's other requests get their turn."""

    called = "A file"
    """What an error calls it."""

    def __init__(self, source: Readable, declared_size: int | None) -> None:
        if (declared_size or 0) > MAX_FILE_BYTES:
            raise too_large(self.called)
        self._source = source
        self._declared_size = declared_size
        self._ended = False
        self.size = 0

    def read(self, size: int) -> bytes:
        """Return the next bytes, at most ``size``; none at the end."""
        if self._ended:
            return b""
        piece = self._read_some(min(size, self.piece_bytes))
        self.size += len(piece)
        if self.size > MAX_FILE_BYTES:
            raise too_large(self.called)
        self._take(piece)
        if not piece:
            self._end()
        # A fast sender would keep the worker's other requests waiting.
        gevent.sleep(0)
        return piece

    def _read_some(self, size: int) -> bytes:
        try:
            with gevent.Timeout(_PATIENCE_S, TimeoutError(f"fewer than {size} bytes came within {_PATIENCE_S} s")):
                return self._source.read(size)
        except Exception as error:  # a body that breaks off or is badly chunked: each server has its own errors
            raise BadRequest(f"The body could not be read: {error}.") from error

    def _end(self) -> None:
        self._ended = True
        # gunicorn gives what came of a body whose sender hung up, as if it were all.
        if self._declared_size not in (None, self.size):
            raise BadRequest(f"The body broke off after {self.size} of {self._declared_size} bytes.")
        self._finish()

    def _take(self, piece: bytes) -> None:
        """Look at the next bytes; at the end once at none."""

    def _finish(self) -> None:
        """Judge the whole."""


def too_large(called: str) -> TooLarge:
    """Return the error of a file, whatever it is called, that is larger than MAX_FILE_BYTES."""
    return TooLarge(f"{called} is at most {MAX_FILE_BYTES} bytes.")
