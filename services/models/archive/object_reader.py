"""Reads objects from the store: resumes a broken read, verifies the CRC-32, closes idle connections."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple

import gevent
from isal import isal_zlib

from shared.errors import Conflict, Unavailable
from shared.s3.bucket import Bucket
from shared.s3.errors import ObjectChanged, ObjectMissing

_RETRIES = 5
FIRST_PAUSE_S = 0.1
IDLE_TIMEOUT_S = 20.0
"""How long a client may leave a chunk lying before it no longer keeps a connection to the store."""

log = logging.getLogger(__name__)


class StoredObject(NamedTuple):
    """An object as it was recorded, ``size`` in bytes; ``crc32`` is None where it is not known."""

    key: str
    size: int
    etag: str
    crc32: int | None


@dataclass(frozen=True)
class GeneratedFile:
    """A file made from the model's record; it is in no bucket."""

    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    @property
    def crc32(self) -> int:
        return isal_zlib.crc32(self.data)


Content = StoredObject | GeneratedFile


class ObjectDamaged(ObjectChanged):
    """The object has the recorded etag, but not the recorded CRC-32."""

    def __init__(self, stored: StoredObject) -> None:
        super().__init__(f"The stored object {stored.key} has another CRC-32 than was recorded.")
        self.stored = stored


def read_content(
    bucket: Bucket, content: Content, offset: int, length: int, *, patient: bool = True
) -> Generator[bytes]:
    """Yield exactly those bytes of a file, wherever it is.

    Raises ObjectChanged (another than was recorded; ObjectDamaged where the CRC-32 says so), Conflict (missing) and
    Unavailable once the store has failed too often in a row, of a first byte at once unless it is ``patient``.
    """
    if isinstance(content, GeneratedFile):
        return (piece for piece in (content.data[offset : offset + length],))
    return _read_object(bucket, content, offset, length, patient=patient)


def require_present(bucket: Bucket, contents: Iterable[Content]) -> None:
    """Raise Conflict unless the store has all of them as they were recorded."""
    for content in contents:
        for _ in read_content(bucket, content, 0, 0, patient=False):
            pass


def _read_object(
    bucket: Bucket, stored: StoredObject, offset: int, length: int, *, patient: bool = True
) -> Generator[bytes]:
    """Yield bytes ``offset`` to ``offset + length``; of an empty range nothing, once the object is known to be there.

    Where the store's connection breaks, it resumes at the next byte; unless it is ``patient``, not before the first.
    An object that is read from end to end is verified before its last chunk is given out.
    """
    position, stop = offset, offset + length
    verifies = stored.crc32 is not None and (offset, stop) == (0, stored.size)
    crc32 = failures = 0
    while True:
        try:
            if position == stop:  # S3 has no empty range
                if bucket.stat(stored.key).etag != stored.etag:
                    raise ObjectChanged(f"The stored object {stored.key} is not the one that was recorded.")
                return
            read = bucket.chunks(stored.key, offset=position, length=stop - position, etag=stored.etag)
            with closing(_closed_when_idle(read)) as chunks:
                for chunk in chunks:
                    position += len(chunk)
                    failures, patient = 0, True
                    if position > stop:
                        raise ObjectChanged(f"The stored object {stored.key} is longer than was recorded.")
                    if verifies:
                        crc32 = isal_zlib.crc32(chunk, crc32)
                        if position == stop and crc32 != stored.crc32:
                            raise ObjectDamaged(stored)
                    yield chunk
            if position == stop:
                return
            raise Unavailable("The read broke off.")
        except ObjectMissing as error:
            raise Conflict(error.message) from error
        except Unavailable as error:
            failures += 1
            if not patient or failures > _RETRIES:
                raise
            log.warning("Reading %s again at byte %d: %s", stored.key, position, error.message)
            gevent.sleep(FIRST_PAUSE_S * 3 ** (failures - 1))


def _closed_when_idle(read: Generator[bytes]) -> Generator[bytes]:
    """Yield what ``read`` does, which ends early where nobody takes the next chunk for a while."""
    given_at: float | None = None
    """When the reader was given a chunk; None while it wants the next one."""

    def close_when_idle() -> None:
        # Looked at now and then: a timer for each chunk would cost more than all else that is done with it.
        while given_at is None or time.monotonic() - given_at < IDLE_TIMEOUT_S:
            gevent.sleep(IDLE_TIMEOUT_S / 4)
        read.close()

    watchdog = gevent.spawn(close_when_idle)
    with closing(read):
        try:
            for chunk in read:
                given_at = time.monotonic()
                yield chunk
                given_at = None
        finally:
            watchdog.kill(block=False)
