"""A model's file that streams in: its checksums, and those that its sender says it has."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable

from isal import isal_zlib

from shared import incoming
from shared.errors import Unprocessable
from shared.store import Readable

Header = Callable[[str], str | None]
"""Gives a request header, or None."""


class Incoming(incoming.Incoming):
    """A file as it comes; ``size``, ``crc32`` and ``sha256`` are true at its end.

    It is right if it has the checksums that a ``header`` names (Content-MD5, x-checksum-sha256).
    """

    def __init__(self, source: Readable, declared_size: int | None, header: Header) -> None:
        super().__init__(source, declared_size)
        self._md5 = _content_md5(header("Content-MD5"))
        self._sha256 = _checksum_sha256(header("x-checksum-sha256"))
        self._md5_so_far = hashlib.md5(usedforsecurity=False)
        self._sha256_so_far = hashlib.sha256()
        self.before_read: Callable[[], object] = lambda: None
        """Called before each read; what it raises ends the stream."""
        self.crc32 = 0

    @property
    def sha256(self) -> str:
        return self._sha256_so_far.hexdigest()

    def _read_some(self, size: int) -> bytes:
        self.before_read()
        return super()._read_some(size)

    def _take(self, piece: bytes) -> None:
        self.crc32 = isal_zlib.crc32(piece, self.crc32)
        self._sha256_so_far.update(piece)
        if self._md5 is not None:
            self._md5_so_far.update(piece)

    def _finish(self) -> None:
        if self._md5 is not None and self._md5 != self._md5_so_far.digest():
            raise Unprocessable.field("Content-MD5", "Is not the MD5 of the body that came.")
        if self._sha256 is not None and self._sha256 != self.sha256:
            raise Unprocessable.field("x-checksum-sha256", "Is not the SHA-256 of the body that came.")


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
