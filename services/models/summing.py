"""A file's checksums from one read of it: range by range, each a checkpoint to go on from, at a bounded rate."""

from __future__ import annotations

import time
from collections.abc import Iterator
from threading import Event

from isal import isal_zlib

from services.models import backlog
from services.models.backlog import Unread
from services.models.resumable import resume_sha256
from shared.store import ObjectChanged, Store

RANGE_BYTES = 64 * 2**20
_MIB = 2**20
_SHORTEST_SLEEP_S = 0.02


class LeaseLost(Exception):
    """Another process may be reading the file by now."""


class Pace:
    """Lets through so many MiB a second, and makes up for no time that was lost."""

    def __init__(self, mib_per_s: int) -> None:
        self._bytes_per_s = mib_per_s * _MIB
        self._due = 0.0

    def spend(self, count: int) -> None:
        """Sleep until ``count`` more bytes may have been read."""
        now = time.monotonic()
        self._due = max(self._due, now) + count / self._bytes_per_s
        if self._due - now > _SHORTEST_SLEEP_S:
            time.sleep(self._due - now)


def sum_file(store: Store, unread: Unread, pace: Pace, lost: Event) -> tuple[int, str]:
    """Return CRC-32 and SHA-256 of the file, whose reading goes on behind its last checkpoint.

    Each range is of the recorded object or none is read: ObjectMissing, ObjectChanged. Raises LeaseLost once ``lost``
    is set, and Unavailable.
    """
    sha256, offset = resume_sha256(unread.sha256_so_far, unread.read_bytes)
    crc32 = unread.crc32_so_far if offset else 0
    while offset < unread.size:
        length = min(RANGE_BYTES, unread.size - offset)
        for chunk in _read_range(store, unread, offset, length):
            if lost.is_set():
                raise LeaseLost
            crc32 = isal_zlib.crc32(chunk, crc32)
            sha256.update(chunk)
            pace.spend(len(chunk))
        offset += length
        state = sha256.state() if offset < unread.size else None
        if state is not None and not backlog.keep_progress(unread, offset, crc32, state):
            raise LeaseLost
    return crc32, sha256.hexdigest()


def _read_range(store: Store, unread: Unread, offset: int, length: int) -> Iterator[bytes]:
    received = 0
    for chunk in store.chunks(unread.key, offset=offset, length=length, etag=unread.etag):
        received += len(chunk)
        yield chunk
    if received != length:
        raise ObjectChanged("The stored object has not the size that was recorded.")
