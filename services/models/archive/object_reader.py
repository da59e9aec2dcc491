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


class ObjectReader:
    """One read of bytes ``offset`` to ``offset + length`` of an object, or of all of it.

    Where the store's connection breaks, it resumes at the next byte; unless it is ``patient``, not before the first.
    A connection whose reader takes nothing for a while is closed, and another one opened when it does. An object that
    is read from end to end is verified before its last chunk is given out.
    """

    def __init__(
        self, bucket: Bucket, stored: StoredObject, offset: int = 0, length: int | None = None, *, patient: bool = True
    ) -> None:
        self._bucket = bucket
        self._stored = stored
        self._position = offset
        self._stop = stored.size if length is None else offset + length
        self._patient = patient
        self._verifies = stored.crc32 is not None and (offset, self._stop) == (0, stored.size)
        self._crc32 = 0
        self._failures = 0
        self._given_at: float | None = None
        """When the reader was given a chunk; None while it wants the next one."""

    def chunks(self) -> Generator[bytes]:
        """Yield exactly those bytes; of an empty range nothing, once the store has said that the object is there.

        Raises ObjectChanged (another than was recorded; ObjectDamaged where the CRC-32 says so), Conflict (missing) and
        Unavailable once the store has failed too often in a row.
        """
        while True:
            try:
                if self._position == self._stop:  # S3 has no empty range
                    self._require_unchanged()
                    return
                yield from self._read()
                if self._position == self._stop:
                    return
                raise Unavailable("The read broke off.")
            except ObjectMissing as error:
                raise Conflict(error.message) from error
            except Unavailable as error:
                self._failures += 1
                if not self._patient or self._failures > _RETRIES:
                    raise
                log.warning("Reading %s again at byte %d: %s", self._stored.key, self._position, error.message)
                gevent.sleep(FIRST_PAUSE_S * 3 ** (self._failures - 1))

    def _read(self) -> Generator[bytes]:
        length = self._stop - self._position
        read = self._bucket.chunks(self._stored.key, offset=self._position, length=length, etag=self._stored.etag)
        watchdog = gevent.spawn(self._close_when_idle, read)
        with closing(read):
            try:
                for chunk in read:
                    self._take(chunk)
                    self._given_at = time.monotonic()
                    yield chunk
                    self._given_at = None
            finally:
                watchdog.kill(block=False)

    def _take(self, chunk: bytes) -> None:
        self._position += len(chunk)
        self._failures, self._patient = 0, True
        if self._position > self._stop:
            raise ObjectChanged(f"The stored object {self._stored.key} is longer than was recorded.")
        if self._verifies:
            self._crc32 = isal_zlib.crc32(chunk, self._crc32)
            if self._position == self._stop and self._crc32 != self._stored.crc32:
                raise ObjectDamaged(self._stored)

    def _close_when_idle(self, read: Generator[bytes]) -> None:
        # Looked at now and then: a timer for each chunk would cost more than all else that is done with it.
        while self._given_at is None or time.monotonic() - self._given_at < IDLE_TIMEOUT_S:
            gevent.sleep(IDLE_TIMEOUT_S / 4)
        read.close()

    def _require_unchanged(self) -> None:
        if self._bucket.stat(self._stored.key).etag != self._stored.etag:
            raise ObjectChanged(f"The stored object {self._stored.key} is not the one that was recorded.")


def read_content(
    bucket: Bucket, content: Content, offset: int, length: int, *, patient: bool = True
) -> Generator[bytes]:
    """Yield exactly those bytes of a file, wherever it is; errors as ``ObjectReader.chunks`` has them."""
    if isinstance(content, GeneratedFile):
        return (piece for piece in (content.data[offset : offset + length],))
    return ObjectReader(bucket, content, offset, length, patient=patient).chunks()


def require_present(bucket: Bucket, contents: Iterable[Content]) -> None:
    """Raise Conflict unless the store has all of them as they were recorded."""
    for content in contents:
        for _ in read_content(bucket, content, 0, 0, patient=False):
            pass
