"""A whole archive in columns gives the bytes that it has without them"""

import gc
import hashlib
import io
import weakref
import zipfile
import zlib
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from services.models.archive import Archive, Entry
from services.models.frozen import FrozenFile
from services.models.packed import pack, unpack
from services.models.reading import MadeFile, StoredFile

MODEL = SimpleNamespace(id=7, storage_path="some/where", created_at=datetime(2024, 2, 19, 12, 30, 45, tzinfo=UTC))
DOCUMENTS = {"README.md": "# Größe\n", "metrics.json": "{}\n"}
ODD = {
    "a": b"first",
    "A": b"twin",
    "a/b": b"x",
    "../up": b"",
    "größe 🚀": b"PK\x05\x06",
    "con": b"1",
    "b//c": b"2",
    "line\nbreak": b"3",
}


def rows_of(files):
    return [
        FrozenFile(path, len(data), f"etag of {path}", zlib.crc32(data), hashlib.sha256(data).hexdigest(), None)
        for path, data in files.items()
    ]


def whole(plan, files):
    def read(content, offset, length):
        data = content.data if isinstance(content, MadeFile) else files[content.key.removeprefix("some/where/")]
        return data[offset : offset + length]

    pieces = plan.archive.pieces(0, plan.archive.length)
    return b"".join(
        piece if isinstance(piece, bytes) else read(plan.contents[piece.entry], piece.offset, piece.length)
        for piece in pieces
    )


@pytest.mark.parametrize(
    ("files", "etag", "length", "sha256"),
    [
        (
            ODD,
            "ab1314bac7a69d0ba121a3fac8981f90eef52d3170eb05ca4dd3050b5dc67435",
            1847,
            "fb1b8d2231311e517245a51798ea7b87e0171b3e592c303726622ff30560dd6d",
        ),
        (
            {"sha256sums": b"own", "README.md/x": b""},
            "0e63669ead56778b3ccbf03e9d29e4e99474a0c6d007498ad7fd7e2e688db67b",
            446,
            "7623e4e915a70e4769a5b1db98b46f2d6efdfdbc8e6aba63a39ccc8a9d70e842",
        ),
    ],
    ids=["odd names", "a list of checksums of its own"],
)
def test_archives_are_those_that_clients_began_to_download(files, etag, length, sha256):
    packed = pack(MODEL, rows_of(files), DOCUMENTS)
    plan = unpack(MODEL, packed)
    assert (packed.etag, packed.length) == (plan.archive.etag, plan.archive.length) == (f'"{etag}"', length)
    data = whole(plan, files)
    assert hashlib.sha256(data).hexdigest() == sha256
    archive = zipfile.ZipFile(io.BytesIO(data))
    assert archive.testzip() is None
    assert archive.namelist() == [f"7/{name}" for name in plan.names]


def test_an_entry_has_its_object_and_its_path():
    plan = unpack(MODEL, pack(MODEL, rows_of(ODD), DOCUMENTS))
    assert list(plan.paths) == [*ODD, *DOCUMENTS, "SHA256SUMS"]
    stored = [StoredFile(f"some/where/{row.path}", row.size, row.etag, row.crc32) for row in rows_of(ODD)]
    *contents, _ = plan.contents
    assert contents == stored + [MadeFile(text.encode()) for text in DOCUMENTS.values()]


@pytest.mark.parametrize(
    "sizes", [[2**32 - 1, 3, 0], [2**32, 0, 2**32 - 2], [1] * 65_536], ids=["2^32-1", "2^32", "many"]
)
def test_it_is_the_archive_of_its_entries(sizes):
    rows = [FrozenFile(f"f{index}", size, "e", index, "ab" * 32, None) for index, size in enumerate(sizes)]
    plan = unpack(MODEL, pack(MODEL, rows, {}))
    entries = [Entry(f"7/{row.path}".encode(), row.size, row.crc32) for row in rows]
    sums = "".join(f"{row.sha256}  {row.path}\n" for row in rows).encode()
    direct = Archive([*entries, Entry(b"7/SHA256SUMS", len(sums), zlib.crc32(sums))], MODEL.created_at)
    assert plan.contents[len(rows)].data == sums
    assert (plan.archive.etag, plan.archive.length) == (direct.etag, direct.length)
    assert list(plan.archive.layout.locals) == list(direct.layout.locals)
    assert list(plan.archive.layout.centrals) == list(direct.layout.centrals)
    for start in (0, 31, sizes[0] + 40, direct.length // 2, direct.length - 300):
        assert [*plan.archive.pieces(start, start + 200)] == [*direct.pieces(start, start + 200)]


def test_there_is_none_until_every_checksum_is_known():
    rows = rows_of(ODD)
    assert pack(MODEL, [*rows[:-1], rows[-1]._replace(crc32=None)], DOCUMENTS) is None
    assert pack(MODEL, [*rows[:-1], rows[-1]._replace(sha256=None)], DOCUMENTS) is None


def test_a_plan_goes_with_the_last_download_of_it():
    plan = unpack(MODEL, pack(MODEL, rows_of(ODD), DOCUMENTS))
    list(plan.archive.pieces(0, 100))
    gone = weakref.ref(plan)
    gc.disable()  # a cycle would be collected at some time, and plans are large
    try:
        del plan
        assert gone() is None
    finally:
        gc.enable()
