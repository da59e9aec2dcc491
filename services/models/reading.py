"""A file's bytes, from the store: read again where a read breaks off, and held against the recorded CRC-32."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass

import gevent
from isal import isal_zlib

from shared.errors import Conflict, Unavailable
from shared.store import ObjectChanged, ObjectMissing, Store

_REOPENINGS = 5
_FIRST_PAUSE_S = 0.1
_LEASE_S = 20.0
"""How long a client may leave a chunk lying before it no longer keeps a connection to the store."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StoredFile:
    """An object as it was recorded; ``crc32`` is None where it is not known."""

    key: str
    size: int
    etag: str
    crc32: int | None


@dataclass(frozen=True)
class MadeFile:
    """A file that is in no store."""

    data: bytes


Content = StoredFile | MadeFile


class ObjectDamaged(ObjectChanged):
    """The object has the recorded etag and not the recorded content."""

    def __init__(self, content: StoredFile) -> None:
        super().__init__(f"The stored object {content.key} has another CRC-32 than was recorded.")
        self.content = content


def read_content(store: Store, content: Content, offset: int, length: int, *, patient: bool = True) -> Generator[bytes]:
    """Yield exactly those bytes of a file; of an empty one nothing, once the store has said that it is there.

    A file that is read from end to end is held against its CRC-32 before its last chunk is given out. Raises Conflict
    (missing, or another than was recorded; ObjectDamaged where the CRC-32 says so), and Unavailable once the store has
    failed too often, or, where nobody is ``patient``, at once if it fails before the first byte.
    """
    if isinstance(content, MadeFile):
        yield content.data[offset : offset + length]
        return
    try:
        yield from _verified(content, offset, length, _healed(store, content, offset, offset + length, patient))
    except ObjectMissing as error:
        raise Conflict(f"The stored object {content.key} is missing.") from error


def require_present(store: Store, contents: Iterable[Content]) -> None:
    """Raise Conflict unless the store has all of them as they were recorded."""
    for content in contents:
        for _ in read_content(store, content, 0, 0, patient=False):
            pass


def _require_unchanged(store: Store, content: StoredFile) -> None:
    if store.stat(content.key).etag != content.etag:
        raise ObjectChanged(f"The stored object {content.key} is not the one that was recorded.")


def _healed(store: Store, content: StoredFile, position: int, stop: int, patient: bool) -> Generator[bytes]:
    """Yield the object's bytes, from a new read at the next byte where one broke off."""
    failures = 0
    while True:
        try:
            if position == stop:  # S3 has no empty range
                _require_unchanged(store, content)
                return
            with closing(_leased(store, content, position, stop)) as chunks:
                for chunk in chunks:
                    position += len(chunk)
                    failures, patient = 0, True
                    yield chunk
            if position >= stop:
                return
            raise Unavailable("The read broke off.")
        except Unavailable as error:
            failures += 1
            if not patient or failures > _REOPENINGS:
                raise
            log.warning("Reading %s again at byte %d: %s", content.key, position, error.message)
            gevent.sleep(_FIRST_PAUSE_S * 3 ** (failures - 1))


@dataclass
class _Lease:
    """Of a connection to the store: ``since`` is when its reader was given a chunk, None while it wants the next."""

    since: float | None = None

    def end_when_due(self, chunks: Generator[bytes]) -> None:
        # Looked at now and then: a timer for each chunk would cost more than all else that is done with it.
        while self.since is None or time.monotonic() - self.since < _LEASE_S:
            gevent.sleep(_LEASE_S / 4)
        chunks.close()


def _leased(store: Store, content: StoredFile, position: int, stop: int) -> Generator[bytes]:
    """Yield the object's bytes, until its reader takes no more for a while: then the store's connection is closed."""
    lease = _Lease()
    chunks = store.chunks(content.key, offset=position, length=stop - position, etag=content.etag)
    watch = gevent.spawn(lease.end_when_due, chunks)
    with closing(chunks):
        try:
            for chunk in chunks:
                lease.since = time.monotonic()
                yield chunk
                lease.since = None
        finally:
            watch.kill(block=False)


def _verified(content: StoredFile, offset: int, length: int, chunks: Generator[bytes]) -> Generator[bytes]:
    whole = content.crc32 is not None and offset == 0 and length == content.size
    received, crc32 = 0, 0
    with closing(chunks):
        for chunk in chunks:
            received += len(chunk)
            if whole:
                crc32 = isal_zlib.crc32(chunk, crc32)
            if received > length:
                raise ObjectChanged(f"The stored object {content.key} is longer than was recorded.")
            if whole and received == length and crc32 != content.crc32:
                raise ObjectDamaged(content)
            yield chunk
