"""Computes a file's checksums in one pass, at a bounded rate."""

from __future__ import annotations

import hashlib
import time
from threading import Event

from isal import isal_zlib

from services.models.archive.object_reader import ObjectReader, StoredObject, require_present
from shared.lease import LeaseLost
from shared.s3.bucket import Bucket

_MIB = 2**20
_SHORTEST_SLEEP_S = 0.02


class RateLimit:
    """Limits a rate to so many MiB a second, without bursts to catch up."""

    def __init__(self, mib_per_s: int) -> None:
        self._bytes_per_s = mib_per_s * _MIB
        self._due = 0.0

    def spend(self, count: int) -> None:
        """Sleep until ``count`` more bytes may have been read."""
        now = time.monotonic()
        self._due = max(self._due, now) + count / self._bytes_per_s
        if self._due - now > _SHORTEST_SLEEP_S:
            time.sleep(self._due - now)


def hash_file(bucket: Bucket, stored: StoredObject, rate: RateLimit, lost: Event) -> tuple[int, str]:
    """Return CRC-32 and SHA-256 of an object, read from end to end.

    Raises Conflict (missing, or another than was recorded), LeaseLost once ``lost`` is set, and Unavailable.
    """
    crc32, sha256 = 0, hashlib.sha256()
    # Without the recorded CRC-32: whether that is the right one is for the caller to say.
    for chunk in ObjectReader(bucket, stored._replace(crc32=None)).chunks():
        if lost.is_set():
            raise LeaseLost
        crc32 = isal_zlib.crc32(chunk, crc32)
        sha256.update(chunk)
        rate.spend(len(chunk))
    # One that was overwritten meanwhile may have come as a mixture of both.
    require_present(bucket, [stored])
    return crc32, sha256.hexdigest()
