"""The body of a file's upload: its checksums, verified against those that its sender announced."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from isal import isal_zlib

from services.models.files.announced_checksums import read_announced
from shared.errors import Unprocessable
from shared.s3.bucket import Readable
from shared.s3.request_body import RequestBody


class FileBody(RequestBody):
    """A file as it comes; ``size``, ``crc32`` and ``sha256`` are true at its end.

    It is refused (Unprocessable) unless it has the checksums that its ``header``s announce.
    """

    def __init__(
        self,
        source: Readable,
        declared_size: int | None,
        header: Callable[[str], str | None],
        before_read: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__(source, declared_size, before_read)
        self._announced = read_announced(header)
        names = {"sha256", *(announced.algorithm for announced in self._announced)} - {"crc32"}
        self._hashes = {name: hashlib.new(name, usedforsecurity=False) for name in names}
        self.crc32 = 0

    @property
    def sha256(self) -> str:
        return self._hashes["sha256"].hexdigest()

    def _take(self, piece: bytes) -> None:
        self.crc32 = isal_zlib.crc32(piece, self.crc32)
        for each in self._hashes.values():
            each.update(piece)

    def _finish(self) -> None:
        found = {name: each.digest() for name, each in self._hashes.items()}
        found["crc32"] = self.crc32.to_bytes(4, "big")
        for header, algorithm, digest in self._announced:
            if found[algorithm] != digest:
                raise Unprocessable.field(header, f"Is not the {algorithm.upper()} of the body that came.")
