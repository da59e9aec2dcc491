"""Streams a ZIP archive whose CRC-32s are computed on the way, while not all of them are known; pure."""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Generator, Iterable
from contextlib import closing
from datetime import datetime


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


def stream_zip(
    entries: Iterable[tuple[str, int]], modified: datetime, contents: Iterable[Generator[bytes]]
) -> Generator[bytes]:
    """Yield the archive of ``entries`` (name, size); ``contents`` has exactly the bytes of each, in the same order.

    Nothing is yielded before the first byte of a file was read. What ``contents`` raise ends the archive, and what was
    sent until then is no readable ZIP. Entries of 4 GiB and more, and archives, are Zip64.
    """
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for (name, size), content in zip(entries, contents, strict=True):
            info = zipfile.ZipInfo(name, modified.timetuple()[:6])
            info.file_size = size  # from it zipfile sees whether the entry needs Zip64
            info.create_system = 3
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            with archive.open(info, "w") as out, closing(content) as chunks:
                for chunk in chunks:
                    out.write(chunk)
                    yield sink.take()
    yield sink.take()
