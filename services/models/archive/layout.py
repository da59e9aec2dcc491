"""The layout of a ZIP archive: its length, its ETag and any byte range of it, before a file is read; pure.

Entries are stored, in the order given, with the sizes and CRC-32s in their local headers and no data descriptors,
which stream readers fail at; Zip64 only where a value does not fit (PKWARE's APPNOTE 6.3, section 4).
"""

from __future__ import annotations

import hashlib
import stat
import struct
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import accumulate
from typing import NamedTuple

FORMAT = b"tunedeck zip 2"
"""Part of every ETag: change it with any change to the bytes below, or clients splice two archives."""

_FULL_16 = 0xFFFF
_FULL_32 = 0xFFFFFFFF
"""A field of this value says: see Zip64. So the value itself does not fit either."""

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s4B4H3L5H2L")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64 = struct.Struct("<4sLQL")
_END = struct.Struct("<4s4H2LH")

_UNIX = 3
_PLAIN_VERSION, _ZIP64_VERSION = 20, 45
_UTF8_NAME = 0x800
_FILE_MODE = (stat.S_IFREG | 0o644) << 16


class Entry(NamedTuple):
    """A file of the archive; ``size`` in bytes."""

    name: bytes
    size: int
    crc32: int


class Read(NamedTuple):
    """``length`` bytes from ``offset`` on of an entry, by its number; of an empty one none, but it must be there."""

    entry: int
    offset: int
    length: int


class Archive:
    """An archive of ``entries``, all modified at one time: its ``length`` in bytes, its ``etag``, strong and quoted.

    ``pace`` wraps the walk along the entries, for a caller whose other work wants its turn meanwhile.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        modified: datetime,
        *,
        pace: Callable[[Iterable[Entry]], Iterable[Entry]] = iter,
    ) -> None:
        self._entries = entries
        self._clock, self._day = _dos_time(modified)
        digest = hashlib.sha256(FORMAT + struct.pack("<2HQ", self._clock, self._day, len(entries)))
        self._locals, central_sizes = array("Q"), array("Q")
        position = 0
        for index, (name, size, crc32) in enumerate(pace(entries)):
            digest.update(struct.pack("<LQL", len(name), size, crc32) + name)
            large = self._has_large_sizes(index)
            self._locals.append(position)
            central_sizes.append(_CENTRAL.size + len(name) + _extra_length(2 * large + (position >= _FULL_32)))
            position += _LOCAL.size + len(name) + _extra_length(2 * large) + size
        # Behind the last entry begins the central directory, and behind its last record what ends the archive.
        self._locals.append(position)
        self._centrals = array("Q", accumulate(central_sizes, initial=position))
        self.etag = f'"{digest.hexdigest()}"'
        self.length = self._centrals[-1] + len(self._end_records())

    def pieces(self, start: int, stop: int) -> Iterator[bytes | Read]:
        """Yield what the bytes ``start`` to ``stop`` (exclusive) are made of, in order."""
        for index in range(_index_at(self._locals, start), len(self._entries)):
            position = self._locals[index]
            if position >= stop:
                return
            header = self._local_header(index)
            if literal := _cut(header, position, start, stop):
                yield literal
            position += len(header)
            size = self._entries[index].size
            first, last = max(start, position), min(stop, position + size)
            if first < last or (literal and not size):
                yield Read(index, first - position if size else 0, last - first if size else 0)
        for index in range(_index_at(self._centrals, start), len(self._entries)):
            if self._centrals[index] >= stop:
                return
            if literal := _cut(self._central_record(index), self._centrals[index], start, stop):
                yield literal
        if literal := _cut(self._end_records(), self._centrals[-1], start, stop):
            yield literal

    def _has_large_sizes(self, index: int) -> bool:
        """Say whether an entry's sizes are in its extra field, as those that are too large for the header must be."""
        # Info-ZIP's unzip takes a size of exactly the limit, once read, for one that is still to be read, and would
        # take it from the next entry's extra field: that one must bring its sizes, however small.
        after_limit = index > 0 and self._entries[index - 1].size == _FULL_32
        return self._entries[index].size >= _FULL_32 or after_limit

    def _large_sizes(self, index: int) -> tuple[int, ...]:
        """Return the uncompressed and the compressed size, where they belong into the extra field."""
        size = self._entries[index].size
        return (size, size) if self._has_large_sizes(index) else ()

    def _local_header(self, index: int) -> bytes:
        name, size, crc32 = self._entries[index]
        extra = _zip64_extra(*self._large_sizes(index))
        version = _ZIP64_VERSION if extra else _PLAIN_VERSION
        short = _FULL_32 if extra else size
        fixed = _LOCAL.pack(
            *(b"PK\x03\x04", version, _flags(name), 0, self._clock, self._day),
            *(crc32, short, short, len(name), len(extra)),
        )
        return fixed + name + extra

    def _central_record(self, index: int) -> bytes:
        name, size, crc32 = self._entries[index]
        sizes, offset = self._large_sizes(index), self._locals[index]
        extra = _zip64_extra(*sizes, *((offset,) if offset >= _FULL_32 else ()))
        version = _ZIP64_VERSION if extra else _PLAIN_VERSION
        short = _FULL_32 if sizes else size
        fixed = _CENTRAL.pack(
            *(b"PK\x01\x02", version, _UNIX, version, 0, _flags(name), 0, self._clock, self._day),
            *(crc32, short, short, len(name), len(extra), 0, 0, 0, _FILE_MODE, min(offset, _FULL_32)),
        )
        return fixed + name + extra

    def _end_records(self) -> bytes:
        count, offset, end = len(self._entries), self._locals[-1], self._centrals[-1]
        size = end - offset
        zip64 = b""
        if count >= _FULL_16 or size >= _FULL_32 or offset >= _FULL_32:
            version = _ZIP64_VERSION
            after = _END_64.size - 12  # its own length does not count what is before it
            zip64 = _END_64.pack(b"PK\x06\x06", after, _UNIX << 8 | version, version, 0, 0, count, count, size, offset)
            zip64 += _LOCATOR_64.pack(b"PK\x06\x07", 0, end, 1)
        short = min(count, _FULL_16)
        return zip64 + _END.pack(b"PK\x05\x06", 0, 0, short, short, min(size, _FULL_32), min(offset, _FULL_32), 0)


def _dos_time(moment: datetime) -> tuple[int, int]:
    """Return MS-DOS time and date, in UTC: even seconds, from 1980 on."""
    at = max(moment.astimezone(UTC), datetime(1980, 1, 1, tzinfo=UTC))
    return at.hour << 11 | at.minute << 5 | at.second // 2, (at.year - 1980) << 9 | at.month << 5 | at.day


def _extra_length(values: int) -> int:
    """The bytes of ``_zip64_extra`` of so many values."""
    return 4 + 8 * values if values else 0


def _zip64_extra(*values: int) -> bytes:
    return struct.pack(f"<2H{len(values)}Q", 1, 8 * len(values), *values) if values else b""


def _flags(name: bytes) -> int:
    return 0 if name.isascii() else _UTF8_NAME


def _index_at(starts: Sequence[int], position: int) -> int:
    return max(bisect_right(starts, position) - 1, 0)


def _cut(data: bytes, position: int, start: int, stop: int) -> bytes:
    """Return the part of ``data``, which begins at ``position``, that lies between ``start`` and ``stop``."""
    return data[max(start - position, 0) : max(stop - position, 0)]
