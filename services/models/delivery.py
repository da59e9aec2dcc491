"""The bytes of an archive as they go out: files read from the store, healed where a read breaks, checked, paced."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass

import gevent
from isal import isal_zlib

from services.models.archive import Read
from shared.errors import Conflict, Unavailable
from shared.store import ObjectChanged, ObjectMissing, Store

_REOPENINGS = 5
_FIRST_PAUSE_S = 0.1
_LEASE_S = 20.0
"""How long a client may leave a chunk lying before it no longer keeps a connection to the store."""
_SMALL_BYTES = 64 * 1024
"""Pieces below this go out together: each write costs more than copying it does."""

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


def read_content(store: Store, content: Content, offset: int, length: int, *, patient: bool = True) -> Generator[bytes]:
    """Yield exactly those bytes of a file; of an empty one nothing, once the store has said that it is there.

    A file that is read from end to end is held against its CRC-32 before its last chunk is given out. Raises Conflict
    (missing, or another than was recorded), and Unavailable once the store has failed too often, or, where nobody is
    ``patient``, at once if it fails before the first byte.
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


def send_pieces(store: Store, contents: list[Content], pieces: Iterable[bytes | Read]) -> Generator[bytes]:
    """Yield what ``pieces`` name, the small ones together; nothing before the first file of them was opened."""
    pending, patient = b"", False
    for piece in pieces:
        if isinstance(piece, bytes):
            pending += piece
            if len(pending) >= _SMALL_BYTES:
                yield pending
                pending = b""
            continue
        content = contents[piece.entry]
        with closing(read_content(store, content, piece.offset, piece.length, patient=patient)) as chunks:
            for chunk in chunks:
                if len(chunk) < _SMALL_BYTES:
                    yield pending + chunk
                else:
                    # Joining the two would copy the large one.
                    if pending:
                        yield pending
                    yield chunk
                pending = b""
        patient = True
    if pending:
        yield pending


def begin(chunks: Generator[bytes]) -> Generator[bytes]:
    """Return ``chunks`` with the first one read already, so that what is wrong with it can still be answered."""
    started = _paced(chunks)
    next(started)
    return started


def _paced(chunks: Generator[bytes]) -> Generator[bytes]:
    with closing(chunks):
        first = next(chunks, b"")
        # For begin() alone: a generator that is closed before it was started does not close what it reads.
        yield b""
        yield first
        del first
        for chunk in chunks:
            # A client that reads fast would keep the worker's other requests waiting.
            gevent.sleep(0)
            yield chunk


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
            gevent.sleep(_FIRST_PAUSE_S * 2 ** (failures - 1))


def _leased(store: Store, content: StoredFile, position: int, stop: int) -> Generator[bytes]:
    """Yield the object's bytes, until its reader takes no more for a while: then the store's connection is closed."""
    chunks = store.chunks(content.key, offset=position, length=stop - position, etag=content.etag)
    with closing(chunks):
        for chunk in chunks:
            lapse = gevent.spawn_later(_LEASE_S, chunks.close)
            try:
                yield chunk
            finally:
                lapse.kill(block=False)


def _verified(content: StoredFile, offset: int, length: int, chunks: Generator[bytes]) -> Generator[bytes]:
    whole = content.crc32 is not None and offset == 0 and length == content.size
    received, crc32 = 0, 0
    with closing(chunks):
        for chunk in chunks:
            received += len(chunk)
            if whole:
                crc32 = isal_zlib.crc32(chunk, crc32)
            if received > length or (whole and received == length and crc32 != content.crc32):
                raise ObjectChanged(f"The stored object {content.key} is not the one that was recorded.")
            yield chunk
