"""`python -m services.models.checksums` reads each file without checksums once and records them, and ends old uploads.

Several may run. A process that is killed loses its lease within seconds, and another one starts that file again.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import time
import uuid
from dataclasses import dataclass
from types import FrameType

from services.models import telemetry
from services.models.bucket import BUCKET
from services.models.checksums import queue
from services.models.checksums.hash_file import RateLimit, hash_file
from services.models.checksums.queue import Claim
from services.models.files.expire_uploads import expire_uploads
from services.models.tables import database
from shared.database.connect import open_database
from shared.errors import Conflict, Unavailable
from shared.lease import LeaseLost, kept_alive
from shared.redaction import log_uncaught_failures
from shared.s3.bucket import Bucket
from shared.s3.client import S3Settings, connect
from shared.s3.errors import ObjectChanged, ObjectMissing
from shared.settings import Positive, exit_on, load
from shared.telemetry.failures import failures_logged
from shared.telemetry.json_lines import log_json_lines
from shared.telemetry.server import MetricsSettings, note_turn, serve_metrics

_IDLE_S = 1.0
_SWEEP_EVERY_S = 600.0

log = logging.getLogger("checksums")


@dataclass(frozen=True)
class ChecksumSettings(S3Settings):
    database_url: str
    checksum_mib_per_s: Positive = 200
    """How fast one process reads: a fifth of what it could, so that downloads hardly feel it."""


def main() -> None:
    log_json_lines("checksums")
    stop = Stop()
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    settings = load(ChecksumSettings)
    log_uncaught_failures()
    database.initialize(open_database(settings.database_url))
    rate = RateLimit(settings.checksum_mib_per_s)
    bucket = Bucket(connect(settings), BUCKET)
    serve_metrics(load(MetricsSettings))
    holder = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    sweep_at = time.monotonic()
    while not stop.is_set:
        note_turn()
        if time.monotonic() >= sweep_at:
            sweep_at = time.monotonic() + _SWEEP_EVERY_S
            with failures_logged(log, "old uploads are left to the next sweep"):
                expire_uploads(bucket)
        if not work_once(bucket, holder, rate):
            time.sleep(_IDLE_S)


class Stop:
    """Ends the process at a signal, wherever it is, also in a read that waits; its lease lapses by itself."""

    is_set = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        # What is raised in a destructor Python drops: the loop looks as well.
        self.is_set = True
        sys.exit(0)


def work_once(bucket: Bucket, holder: str, rate: RateLimit) -> bool:
    """Claim and read one file; False where there is none, or the store or the database is away: poll again."""
    try:
        claim = queue.claim_file(holder)
        if claim is None:
            return False
        _read_one(bucket, claim, rate)
    except Unavailable as error:
        # The lease is left to lapse, so that a file which cannot be read now does not hold up the others.
        log.warning("Will try again: %s", error)
        return False
    except LeaseLost:
        log.warning("A lease was lost to another process")
    return True


def _read_one(bucket: Bucket, claim: Claim, rate: RateLimit) -> None:
    try:
        kept_crc32 = _crc32_of_the_store(bucket, claim)
        with kept_alive(lambda: queue.record(claim)) as lost:
            crc32, sha256 = hash_file(bucket, claim.stored, rate, lost)
    except (ObjectMissing, Conflict) as error:
        telemetry.checksum_errors.inc()
        queue.finish(claim, error=error.message)
        log.warning("Model %d: no checksums for %s: %s", claim.file.model_id, claim.stored.key, error)
        return
    mismatch = _mismatch(claim, kept_crc32, crc32, sha256)
    queue.finish(claim, crc32=crc32, sha256=sha256, error=mismatch)
    telemetry.checksum_bytes.inc(claim.stored.size)
    telemetry.checksum_errors.inc(mismatch is not None)
    stored = claim.stored
    log.info("Model %d: read %s (%d bytes) %s", claim.file.model_id, stored.key, stored.size, mismatch or "")


def _crc32_of_the_store(bucket: Bucket, claim: Claim) -> int | None:
    """Return the CRC-32 that the store keeps of the object, if any; ObjectChanged where it is another object."""
    found, recorded = bucket.stat(claim.stored.key), claim.stored
    if (found.etag, found.size) != (recorded.etag, recorded.size):
        raise ObjectChanged("The stored object is not the one that was recorded.")
    if recorded.crc32 is None and found.crc32 is not None:
        queue.record(claim, crc32=found.crc32)
    return found.crc32 if recorded.crc32 is None else recorded.crc32


def _mismatch(claim: Claim, kept_crc32: int | None, crc32: int, sha256: str) -> str | None:
    if claim.file.announced_sha256 not in (None, sha256):
        return f"The SHA-256 of {claim.file.path} is not the one that its sender announced."
    if kept_crc32 not in (None, crc32):
        return f"The CRC-32 of {claim.file.path} is not the one that the store keeps of it."
    return None


if __name__ == "__main__":
    with exit_on():
        main()
