"""`python -m services.models.checksums` reads each file without checksums once and records them, and ends old uploads.

Several may run. A process that is killed loses its lease within seconds, and another one goes on where it was.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType

from services.models import backlog, plans, sweeping
from services.models.backlog import Unread
from services.models.storage import BUCKET
from services.models.summing import LeaseLost, Pace, sum_file
from services.models.tables import database
from shared.database import open_database
from shared.errors import NotFound, Unavailable
from shared.lease import kept_alive
from shared.settings import SettingsError, load
from shared.store import ObjectChanged, ObjectMissing, Store, connect

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
    checksum_mib_per_s: int = 200
    """How fast one process reads: a fifth of what it could, so that downloads hardly feel it."""


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    settings = load(ChecksumSettings)
    database.initialize(open_database(settings.database_url))
    if settings.checksum_mib_per_s == 0:
        raise SettingsError("CHECKSUM_MIB_PER_S='0': must be at least 1")
    pace = Pace(settings.checksum_mib_per_s)
    store = Store(connect(settings), BUCKET)
    holder = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    sweep_at = time.monotonic()
    while True:
        if time.monotonic() >= sweep_at:
            sweep_at = time.monotonic() + _SWEEP_EVERY_S
            _sweep(store)
        if not work_once(store, holder, pace):
            time.sleep(_IDLE_S)


def _sweep(store: Store) -> None:
    try:
        sweeping.sweep(store)
    except Unavailable as error:
        log.warning("Old uploads stay for now: %s", error)


def _stop(number: int, frame: FrameType | None) -> None:
    # Raised wherever the process is, also in a read that waits; the lease lapses by itself.
    sys.exit(0)


def work_once(store: Store, holder: str, pace: Pace) -> bool:
    """Read one file; False where there was none, or what it takes is away: look again in a moment."""
    try:
        unread = backlog.take_unread(holder)
        if unread is None:
            return False
        _read_one(store, unread, pace)
    except Unavailable as error:
        # The lease is left to lapse, so that a file which cannot be read now does not hold up the others.
        log.warning("Will try again: %s", error)
        return False
    except LeaseLost:
        log.warning("A lease was lost to another process")
    return True


def _read_one(store: Store, unread: Unread, pace: Pace) -> None:
    try:
        kept_crc32 = _crc32_of_the_store(store, unread)
        with kept_alive(lambda: backlog.renew(unread)) as lost:
            crc32, sha256 = sum_file(store, unread, pace, lost)
    except ObjectMissing:
        _give_up(unread, "The stored object is missing.")
    except ObjectChanged:
        _give_up(unread, "The stored object is not the one that was recorded.")
    else:
        error = _mismatch(unread, kept_crc32, crc32, sha256)
        backlog.store_checksums(unread, crc32, sha256, error)
        log.info("Model %d: read %s (%d bytes) %s", unread.model_id, unread.key, unread.size, error or "")
        if backlog.is_all_read(unread.model_id):
            # Two processes that finish together both do; they store the same.
            with suppress(NotFound):  # deleted meanwhile
                plans.make_plan(unread.model_id)


def _crc32_of_the_store(store: Store, unread: Unread) -> int | None:
    """Return the CRC-32 that the store keeps of the object, if any; ObjectChanged where it is another object."""
    found = store.stat(unread.key)
    if (found.etag, found.size) != (unread.etag, unread.size):
        raise ObjectChanged("The stored object is not the one that was recorded.")
    if unread.crc32 is None and found.crc32 is not None:
        backlog.store_crc32(unread, found.crc32)
    return found.crc32 if unread.crc32 is None else unread.crc32


def _mismatch(unread: Unread, kept_crc32: int | None, crc32: int, sha256: str) -> str | None:
    if unread.announced_sha256 not in (None, sha256):
        return f"The SHA-256 of {unread.path} is not the one that its sender announced."
    if kept_crc32 not in (None, crc32):
        return f"The CRC-32 of {unread.path} is not the one that the store keeps of it."
    return None


def _give_up(unread: Unread, reason: str) -> None:
    backlog.store_error(unread, reason)
    log.warning("Model %d: no checksums for %s: %s", unread.model_id, unread.key, reason)


if __name__ == "__main__":
    main()
