"""The ZIP as a list of byte intervals"""

import io
import tracemalloc
import zipfile
import zlib
from datetime import UTC, datetime, timedelta, timezone

import pytest

from services.models.archive.layout import Archive, Entry

NOON = datetime(2024, 2, 19, 12, 30, 45, tzinfo=UTC)


class Virtual(io.RawIOBase):
    """An archive as a file that can be read anywhere, of which nothing is ever whole in memory."""

    def __init__(self, archive, give):
        self._archive, self._give, self._position = archive, give, 0

    def seekable(self):
        return True

    def readable(self):
        return True

    def tell(self):
        return self._position

    def seek(self, offset, whence=0):
        self._position = offset + (0, self._position, self._archive.length)[whence]
        return self._position

    def read(self, size=-1):
        start = min(self._position, self._archive.length)
        stop = self._archive.length if size < 0 else min(start + size, self._archive.length)
        self._position = stop
        return b"".join(
            piece if isinstance(piece, bytes) else self._give(*piece) for piece in self._archive.pieces(start, stop)
        )


def plan(files, modified=NOON):
    return Archive([Entry(name.encode(), len(data), zlib.crc32(data)) for name, data in files.items()], modified)


def give_from(files):
    contents = list(files.values())
    return lambda entry, offset, length: contents[entry][offset : offset + length]


def zeros(entry, offset, length):
    return bytes(length)


SMALL = {
    "1/a": b"first",
    "1/leer": b"",
    "1/Größe 🚀": bytes(range(256)),
    "1/leer2": b"",
    "1/PK": b"PK\x03\x04PK\x07\x08",
}


def test_it_works():
    archive = plan(SMALL)
    with zipfile.ZipFile(Virtual(archive, give_from(SMALL))) as opened:
        assert opened.testzip() is None
        assert {info.filename: opened.read(info) for info in opened.infolist()} == SMALL
        assert list(SMALL) == opened.namelist()
        for info in opened.infolist():
            assert info.date_time == (2024, 2, 19, 12, 30, 44)
            assert info.flag_bits == (0 if info.filename.isascii() else 0x800)
            assert (info.compress_type, info.create_system, info.extra) == (zipfile.ZIP_STORED, 3, b"")
            assert info.external_attr >> 16 == 0o100644


def test_zipfile_would_write_nearly_the_same():
    files = {name: data for name, data in SMALL.items() if name.isascii()}
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name, NOON.timetuple()[:6])
            info.external_attr = 0o100644 << 16
            archive.writestr(info, data)
    assert Virtual(plan(files), give_from(files)).read() == written.getvalue()


def test_any_range_is_that_part_of_the_whole():
    archive = plan(SMALL)
    file = Virtual(archive, give_from(SMALL))
    whole = file.read()
    assert len(whole) == archive.length
    for start in range(archive.length + 1):
        for stop in {start, start + 1, start + 7, start + 100, archive.length - 1, archive.length}:
            if start <= stop <= archive.length:
                file.seek(start)
                assert file.read(stop - start) == whole[start:stop], (start, stop)


def test_an_archive_of_nothing():
    assert zipfile.ZipFile(Virtual(plan({}), zeros)).namelist() == []


def test_the_etag_stands_for_every_byte():
    etag = plan(SMALL).etag
    assert etag == plan(dict(SMALL), NOON.astimezone(timezone(timedelta(hours=5)))).etag
    assert len(etag) == 66
    others = [
        plan({**SMALL, "1/a": b"First"}),
        plan({**SMALL, "1/a": b"first "}),
        plan({**SMALL, "1/b": b""}),
        plan(dict(reversed(SMALL.items()))),
        plan({f"{name}x": data for name, data in SMALL.items()}),
        plan(SMALL, NOON + timedelta(seconds=2)),
        plan(SMALL, NOON + timedelta(days=1)),
    ]
    assert len({etag, *(other.etag for other in others)}) == len(others) + 1


@pytest.mark.parametrize("size", [2**32 - 2, 2**32 - 1, 2**32, 5 * 2**30, 2**40])
def test_large_entries_and_what_follows_them(size):
    sizes = [size, 3, size, 0, 4]
    # Nobody reads the large ones to their ends.
    crcs = [zlib.crc32(bytes(size)) if size < 10 else 0 for size in sizes]
    entries = [Entry(b"e%d" % number, *measures) for number, measures in enumerate(zip(sizes, crcs, strict=True))]
    archive = Archive(entries, NOON)
    file = Virtual(archive, zeros)
    with zipfile.ZipFile(file) as opened:
        infos = opened.infolist()
        assert [info.file_size for info in infos] == sizes
        assert [info.compress_size for info in infos] == sizes
        assert [info.CRC for info in infos] == crcs
        assert [info.extract_version for info in infos][0] == (45 if size >= 2**32 - 1 else 20)
        for info in infos:
            with opened.open(info) as entry:  # reads its local header
                assert entry.read(2) == bytes(min(2, info.file_size))
        # The local header has the sizes too, for who reads a stream.
        file.seek(0)
        extra = int.from_bytes(file.read(30)[28:30], "little")
        assert extra == (20 if size >= 2**32 - 1 else 0)
    end = archive.length - 22
    file.seek(end - 20)
    assert (file.read(4) == b"PK\x06\x07") == (archive.length > 2**32)


@pytest.mark.parametrize("offset", [2**32 - 2, 2**32 - 1, 2**32])
def test_an_entry_that_begins_at_the_limit(offset):
    first = offset - 30 - 1
    archive = Archive([Entry(b"a", first, 0), Entry(b"b", 3, zlib.crc32(bytes(3))), Entry(b"c", 0, 0)], NOON)
    with zipfile.ZipFile(Virtual(archive, zeros)) as opened:
        infos = opened.infolist()
        assert infos[1].header_offset == offset
        assert bool(infos[1].extra) == (offset >= 2**32 - 1)
        with opened.open("b") as entry:
            assert entry.read(2) == bytes(2)


@pytest.mark.parametrize("count", [65_534, 65_535, 65_536])
def test_many_entries(count):
    archive = Archive([Entry(b"%d" % number, 1, 0xD202EF8D) for number in range(count)], NOON)
    whole = io.BytesIO(Virtual(archive, zeros).read())
    assert len(whole.getvalue()) == archive.length
    with zipfile.ZipFile(whole) as opened:
        assert len(opened.infolist()) == count
        assert opened.read(str(count - 1)) == b"\0"
    assert (whole.getvalue()[-42:-38] == b"PK\x06\x07") == (count >= 65_535)


def test_a_layout_is_small():
    entries = [Entry(b"1/file-%d" % number, 10**6, number) for number in range(100_000)]
    tracemalloc.start()
    archive = Archive(entries, NOON)
    list(archive.pieces(archive.length - 10**6, archive.length - 10**6 + 100))
    list(archive.pieces(50_000_000_000, 50_000_000_100))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * 2**20


def test_names_that_are_long_or_odd():
    files = {f"1/{'ä' * 500}": b"x", "1/a b+c%20&#": b"y", f"1/{'n' * 255}": b"z"}
    with zipfile.ZipFile(Virtual(plan(files), give_from(files))) as opened:
        assert {name: opened.read(name) for name in opened.namelist()} == files


def test_times_before_ms_dos_are_its_first():
    archive = plan({"a": b""}, datetime(1970, 1, 1, tzinfo=UTC))
    assert zipfile.ZipFile(Virtual(archive, zeros)).infolist()[0].date_time == (1980, 1, 1, 0, 0, 0)
