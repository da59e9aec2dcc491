"""A file that streams in: limited, counted, and checked against what its sender says of it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import re
from collections.abc import Callable
from typing import Protocol

import gevent
from isal import isal_zlib

from shared.errors import BadRequest, TooLarge, Unprocessable

MAX_FILE_BYTES = 500 * 2**20
_READ_BYTES = 256 * 1024
_IDLE_S = 60


Header = Callable[[str], str | None]
"""Gives a request header, or None."""


class Source(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Incoming(io.RawIOBase):
    """Reads ``source`` once, at most MAX_FILE_BYTES of it; ``size``, ``crc32`` and ``sha256`` are true at its end.

    The last bytes are handed out only after the checksums that a ``header`` names (Content-MD5, x-checksum-sha256)
    proved right, so whoever stores the stream stores nothing that is broken.
    """

    def __init__(self, source: Source, declared_size: int | None, header: Header) -> None:
        if (declared_size or 0) > MAX_FILE_BYTES:
            raise _too_large()
        self._source = source
        self._declared_size = declared_size
        self._md5 = _content_md5(header("Content-MD5"))
        self._sha256 = _checksum_sha256(header("x-checksum-sha256"))
        self._md5_so_far = hashlib.md5(usedforsecurity=False)
        self._sha256_so_far = hashlib.sha256()
        self._ended = False
        self.before_read: Callable[[], object] = lambda: None
        """Called before each read; what it raises ends the stream."""
        self.size = 0
        self.crc32 = 0

    @property
    def sha256(self) -> str:
        return self._sha256_so_far.hexdigest()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Return ``size`` bytes, fewer only at the end; a part for S3 is put together here, not by repeated adding."""
        parts: list[bytes] = []
        left = size if size >= 0 else MAX_FILE_BYTES + 1
        while left > 0 and not self._ended:
            self.before_read()
            part = self._read_some(min(left, _READ_BYTES))
            if not part:
                self._ended = True
                self._verify()
            self._count(part)
            parts.append(part)
            left -= len(part)
            # A fast sender would keep the worker's other requests waiting.
            gevent.sleep(0)
        return b"".join(parts)

    def _read_some(self, size: int) -> bytes:
        try:
            with gevent.Timeout(_IDLE_S, TimeoutError("no byte came for a minute")):
                return self._source.read(size)
        except Exception as error:  # a body that breaks off or is badly chunked: each server has its own errors
            raise BadRequest(f"The body could not be read: {error}.") from error

    def _count(self, part: bytes) -> None:
        self.size += len(part)
        if self.size > MAX_FILE_BYTES:
            raise _too_large()
        self.crc32 = isal_zlib.crc32(part, self.crc32)
        self._sha256_so_far.update(part)
        if self._md5 is not None:
            self._md5_so_far.update(part)

    def _verify(self) -> None:
        # gunicorn gives what came of a body whose sender hung up, as if it were all.
        if self._declared_size not in (None, self.size):
            raise BadRequest(f"The body broke off after {self.size} of {self._declared_size} bytes.")
        if self._md5 is not None and self._md5 != self._md5_so_far.digest():
            raise Unprocessable.field("Content-MD5", "Is not the MD5 of the body that came.")
        if self._sha256 is not None and self._sha256 != self.sha256:
            raise Unprocessable.field("x-checksum-sha256", "Is not the SHA-256 of the body that came.")


def _too_large() -> TooLarge:
    return TooLarge(f"A file is at most {MAX_FILE_BYTES} bytes.")


def _content_md5(sent: str | None) -> bytes | None:
    if sent is None:
        return None
    try:
        digest = base64.b64decode(sent, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != 16:
        raise Unprocessable.field("Content-MD5", "Must be 16 bytes in base64.")
    return digest


def _checksum_sha256(sent: str | None) -> str | None:
    if sent is None:
        return None
    if not re.fullmatch(r"[0-9a-fA-F]{64}", sent):
        raise Unprocessable.field("x-checksum-sha256", "Must be 64 hexadecimal digits.")
    return sent.lower()
