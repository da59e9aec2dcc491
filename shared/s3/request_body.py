"""The body of an upload as a stream: size-limited, timed out, and validated before its end."""

from __future__ import annotations

from collections.abc import Callable

import gevent

from shared.errors import BadRequest, TooLarge
from shared.s3.bucket import Readable

MAX_FILE_BYTES = 500 * 2**20
READ_TIMEOUT_S = 60
"""For each piece: a sender that is slower than 4 KiB/s is cut off."""


class RequestBody:
    """Reads ``source`` once, at most MAX_FILE_BYTES of it; what is wrong with it raises from ``read``.

    Its end comes only after all of it proved right, so whoever waits for the end stores nothing that is broken. A
    subclass sees each piece in ``_take`` and may refuse the whole in ``_finish``.
    """

    piece_bytes = 256 * 1024
    """What is read at once; after each piece the worker's other requests get their turn."""

    called = "A file"
    """What an error calls it."""

    def __init__(
        self, source: Readable, declared_size: int | None, before_read: Callable[[], object] = lambda: None
    ) -> None:
        """``before_read`` is called before each piece; what it raises ends the stream."""
        if (declared_size or 0) > MAX_FILE_BYTES:
            raise too_large(self.called)
        self._source = source
        self._declared_size = declared_size
        self._before_read = before_read
        self._ended = False
        self.size = 0

    def read(self, size: int) -> bytes:
        """Return the next bytes, at most ``size``; none at the end."""
        if self._ended:
            return b""
        self._before_read()
        piece = self._read_piece(min(size, self.piece_bytes))
        self.size += len(piece)
        if self.size > MAX_FILE_BYTES:
            raise too_large(self.called)
        self._take(piece)
        if not piece:
            self._end()
        # A fast sender would keep the worker's other requests waiting.
        gevent.sleep(0)
        return piece

    def _read_piece(self, size: int) -> bytes:
        expired = TimeoutError(f"fewer than {size} bytes came within {READ_TIMEOUT_S} s")
        try:
            with gevent.Timeout(READ_TIMEOUT_S, expired):
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
        """See the next piece; at the end an empty one."""

    def _finish(self) -> None:
        """Accept or refuse the whole."""


def too_large(called: str) -> TooLarge:
    """Return the error of a file, whatever it is called, that is larger than MAX_FILE_BYTES."""
    return TooLarge(f"{called} is at most {MAX_FILE_BYTES} bytes; a larger one comes in parts, by POST …/uploads.")
