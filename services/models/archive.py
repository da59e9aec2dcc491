"""A ZIP archive as a stream: stored, in a fixed order with fixed times, never whole in memory; pure."""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime


class BrokenEntry(Exception):
    """A file is not what was recorded; the archive must not look whole."""


@dataclass(frozen=True)
class Entry:
    """A file of the archive; ``read`` opens it once and gives its bytes, ``crc32`` is None where not known."""

    name: str
    size: int
    crc32: int | None
    read: Callable[[], Iterable[bytes]]


class _Sink(io.RawIOBase):
    """Where zipfile writes; it cannot seek, so zipfile goes back to nothing."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes, /) -> int:  # type: ignore[override]  # zipfile hands on the bytes it is given
        self._parts.append(data)
        return len(data)

    def take(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


def stream_zip(entries: Iterable[Entry], modified: datetime) -> Iterator[bytes]:
    """Yield the archive; nothing is yielded before the first byte of a file was read.

    Raises BrokenEntry, or what ``read`` raises, before the end of the archive: what was sent until then is no
    readable ZIP. Entries of 4 GiB and more, and archives, are Zip64.
    """
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for entry in entries:
            yield from _stream_entry(archive, sink, entry, modified)
    yield sink.take()


def _stream_entry(archive: zipfile.ZipFile, sink: _Sink, entry: Entry, modified: datetime) -> Iterator[bytes]:
    info = zipfile.ZipInfo(entry.name, modified.timetuple()[:6])
    info.file_size = entry.size  # from it zipfile sees whether the entry needs Zip64
    info.create_system = 3
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    written = 0
    with archive.open(info, "w") as out:
        for chunk in entry.read():
            written += len(chunk)
            if written > entry.size:
                break
            out.write(chunk)
            yield sink.take()
    if written != entry.size:
        raise BrokenEntry(f"{entry.name} has not the {entry.size} bytes on record.")
    if entry.crc32 not in (None, info.CRC):
        raise BrokenEntry(f"{entry.name} has the CRC-32 {info.CRC:08x}, {entry.crc32:08x} is on record.")
