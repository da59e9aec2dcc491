"""`python -m services.models.checksums` reads each file without checksums once and records them, and ends old uploads.

Several may run. A process that is killed loses its lease within seconds, and another one reads its file again.
"""

from __future__ import annotations

import hashlib
import logging
import os
import signal
import socket
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Event
from types import FrameType

from isal import isal_zlib

from services.models import backlog, sweeping
from services.models.backlog import Unread
from services.models.storage import BUCKET
from services.models.tables import database
from shared.database import open_database
from shared.errors import Unavailable
from shared.lease import kept_alive
from shared.settings import load
from shared.store import ObjectChanged, ObjectMissing, Store, connect

RANGE_BYTES = 64 * 2**20
_IDLE_S = 1.0
_SWEEP_EVERY_S = 600.0

log = logging.getLogger("checksums")


@dataclass(frozen=True)
class ChecksumSettings:
    database_url: str
    s3_endpoint: str
    s3_region: str
    s3_access_key: str
    s3_secret_key: str


class _LeaseLost(Exception):
    """Another process may be reading the file by now."""


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    settings = load(ChecksumSettings)
    database.initialize(open_database(settings.database_url))
    store = Store(connect(settings), BUCKET)
    holder = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    sweep_at = time.monotonic()
    while True:
        if time.monotonic() >= sweep_at:
            sweep_at = time.monotonic() + _SWEEP_EVERY_S
            _sweep(store)
        if not work_once(store, holder):
            time.sleep(_IDLE_S)


def _sweep(store: Store) -> None:
    try:
        sweeping.sweep(store)
    except Unavailable as error:
        log.warning("Old uploads stay for now: %s", error)


def _stop(number: int, frame: FrameType | None) -> None:
    # Raised wherever the process is, also in a read that waits; the lease lapses by itself.
    sys.exit(0)


def work_once(store: Store, holder: str) -> bool:
    """Read one file; False where there was none, or what it takes is away: look again in a moment."""
    try:
        unread = backlog.take_unread(holder)
        if unread is None:
            return False
        _read_one(store, unread)
    except Unavailable as error:
        # The lease is left to lapse, so that a file which cannot be read now does not hold up the others.
        log.warning("Will try again: %s", error)
        return False
    except _LeaseLost:
        log.warning("A lease was lost to another process")
    return True


def _read_one(store: Store, unread: Unread) -> None:
    try:
        with kept_alive(lambda: backlog.renew(unread)) as lost:
            crc32, sha256 = _checksums(_object_chunks(store, unread), lost)
    except ObjectMissing:
        _give_up(unread, "The stored object is missing.")
    except ObjectChanged:
        _give_up(unread, "The stored object is not the one that was recorded.")
    else:
        backlog.store_checksums(unread, crc32, sha256)
        log.info("Model %d: read %s (%d bytes)", unread.model_id, unread.key, unread.size)


def _give_up(unread: Unread, reason: str) -> None:
    backlog.store_error(unread, reason)
    log.warning("Model %d: no checksums for %s: %s", unread.model_id, unread.key, reason)


def _checksums(chunks: Iterator[bytes], lost: Event) -> tuple[int, str]:
    crc32, sha256 = 0, hashlib.sha256()
    for chunk in chunks:
        if lost.is_set():
            raise _LeaseLost
        crc32 = isal_zlib.crc32(chunk, crc32)
        sha256.update(chunk)
    return crc32, sha256.hexdigest()


def _object_chunks(store: Store, unread: Unread) -> Iterator[bytes]:
    """The object's bytes, in ranges that each are of the recorded object or none: ObjectMissing, ObjectChanged."""
    if unread.size == 0 and store.stat(unread.key).etag != unread.etag:
        raise ObjectChanged("The stored object is not the one that was recorded.")
    for offset in range(0, unread.size, RANGE_BYTES):
        length = min(RANGE_BYTES, unread.size - offset)
        received = 0
        for chunk in store.chunks(unread.key, offset=offset, length=length, etag=unread.etag):
            received += len(chunk)
            yield chunk
        if received != length:
            raise ObjectChanged("The stored object has not the size that was recorded.")


if __name__ == "__main__":
    main()
