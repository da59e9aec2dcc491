"""The body of a file's upload: its checksums, verified against those that its sender named."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable

from isal import isal_zlib

from shared.errors import Unprocessable
from shared.s3.bucket import Readable
from shared.s3.request_body import RequestBody


class FileBody(RequestBody):
    """A file as it comes; ``size``, ``crc32`` and ``sha256`` are true at its end.

    It is refused (Unprocessable) unless it has the checksums that a ``header`` names (Content-MD5, x-checksum-sha256).
    """

    def __init__(
        self,
        source: Readable,
        declared_size: int | None,
        header: Callable[[str], str | None],
        before_read: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__(source, declared_size, before_read)
        self._expected_md5 = _content_md5(header("Content-MD5"))
        self._expected_sha256 = _checksum_sha256(header("x-checksum-sha256"))
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha256 = hashlib.sha256()
        self.crc32 = 0

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    def _take(self, piece: bytes) -> None:
        self.crc32 = isal_zlib.crc32(piece, self.crc32)
        self._sha256.update(piece)
        if self._expected_md5 is not None:
            self._md5.update(piece)

    def _finish(self) -> None:
        if self._expected_md5 not in (None, self._md5.digest()):
            raise Unprocessable.field("Content-MD5", "Is not the MD5 of the body that came.")
        if self._expected_sha256 not in (None, self.sha256):
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
