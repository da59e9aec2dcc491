"""Every archive reader takes the archives that we plan: unzip, 7-Zip, libarchive, Java and Python"""

import io
import os
import subprocess
import unicodedata
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from isal import isal_zlib

from services.models.archive.layout import Archive, Entry
from services.models.paths import archive_names

NOON = datetime(2024, 2, 19, 12, 30, 45, tzinfo=UTC)
LIMIT = 2**32 - 1
"""A size or an offset of this value says: see Zip64."""


def nested():
    """A ZIP with data descriptors, behind a descriptor of its own: a stream reader may take it for the end."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("1/smuggled", b"x" * 100)
    content = made.getvalue()
    crc32, size = isal_zlib.crc32(content).to_bytes(4, "little"), len(content).to_bytes(4, "little")
    return content + b"PK\x07\x08" + crc32 + size + size + content + b"PK\x05\x06" + bytes(18)


NAMES = {
    "plain": b"content",
    "empty": b"",
    "a/b/c/deep": b"1",
    "a/b/empty": b"",
    "漢字/かな/한국어": b"2",
    "עברית עם رسم": b"3",
    "e\N{COMBINING ACUTE ACCENT} as two": b"4",
    "🙂🚀 emoji \N{ZERO WIDTH JOINER}": b"5",
    "n" * 255: b"6",
    "ä" * 127: b"7",
    "Twin": b"8",
    "tWIN": b"9",
    "space + per%20cent & # ' ~": b"10",
    "PK": b"PK\x03\x04PK\x01\x02PK\x05\x06PK\x06\x06PK\x06\x07PK\x07\x08",
    "nested.zip": nested(),
    "nested twice.bin": nested() * 2,
}
HOSTILE = ["../up", "/absolute", "a\\..\\..\\b", "C:x", "CON", "a/../../../c", "./d", "a//e", "line\nbreak", "x. ", "x"]


def crc32_of_zeros(size):
    crc32, block = 0, bytes(2**20)
    for _ in range(size // len(block)):
        crc32 = isal_zlib.crc32(block, crc32)
    return isal_zlib.crc32(bytes(size % len(block)), crc32)


class Made:
    """An archive on disk; contents given as a number are so many zeros, for which no space is taken."""

    def __init__(self, path, contents):
        self.path = path
        self.expected = {
            name: (content, crc32_of_zeros(content))
            if isinstance(content, int)
            else (len(content), isal_zlib.crc32(content))
            for name, content in contents.items()
        }
        archive = Archive([Entry(name.encode(), *measures) for name, measures in self.expected.items()], NOON)
        given = list(contents.values())
        with path.open("wb") as file:
            for piece in archive.pieces(0, archive.length):
                if isinstance(piece, bytes):
                    file.write(piece)
                elif isinstance(given[piece.entry], int):
                    file.seek(piece.length, os.SEEK_CUR)
                else:
                    file.write(given[piece.entry])


@pytest.fixture(scope="module")
def java(tmp_path_factory):
    """Run ``ReadArchive`` and return the length and CRC-32 of each entry by name."""
    folder = tmp_path_factory.mktemp("java")
    run("javac", "-d", folder, Path(__file__).with_name("ReadArchive.java"))

    def java(how, path):
        lines = run("java", "-cp", folder, "ReadArchive", how, path).decode().removesuffix("\n").split("\n")
        rows = [line.rsplit("\t", 2) for line in lines]
        return {name: (int(length), int(crc32)) for name, length, crc32 in rows}

    return java


def run(*command, stdin=None, cwd=None):
    """Run a program that must find nothing to complain about; returns what it printed."""
    environ = os.environ | {"LC_ALL": "C.UTF-8", "JAVA_TOOL_OPTIONS": ""}
    done = subprocess.run(
        list(map(str, command)), stdin=stdin, cwd=cwd, env=environ, capture_output=True, timeout=300, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr).decode(errors="replace")[-2000:]
    return done.stdout


def require_read_by_all(made, java, by_unzip=()):
    """Each reader finds every entry whole, those that read a stream too; unzip all, or those that are named."""
    run("unzip", "-tqq", made.path, *by_unzip)
    assert f"Files: {len(made.expected)}".encode() in run("7z", "t", "-bso1", made.path)
    lengths = sum(length for length, _ in made.expected.values())
    assert count_bytes("bsdtar", "-xOf", made.path) == lengths
    with made.path.open("rb") as stream:
        assert count_bytes("bsdtar", "-xOf", "-", stdin=stream) == lengths
    assert java("file", made.path) == made.expected
    assert java("stream", made.path) == made.expected
    with zipfile.ZipFile(made.path) as archive:
        assert {info.filename: (info.file_size, info.CRC) for info in archive.infolist()} == made.expected


def count_bytes(*command, stdin=None):
    """Run a program as ``run`` does, and return how many bytes it printed."""
    with subprocess.Popen(list(map(str, command)), stdin=stdin, stdout=subprocess.PIPE) as process:
        count = sum(map(len, iter(lambda: process.stdout.read(2**20), b"")))
    assert process.returncode == 0
    return count


EXTRACTORS = {
    "unzip": ["unzip", "-qq", "{archive}"],
    "7z": ["7z", "x", "-bd", "{archive}"],
    "bsdtar": ["bsdtar", "-xf", "{archive}"],
    "bsdtar from a stream": ["bsdtar", "-xf", "-"],
}


def extract(extractor, path, folder):
    """Return the content by path of what the extractor made of the archive."""
    folder.mkdir()
    with path.open("rb") as stream:
        run(*(word.format(archive=path) for word in EXTRACTORS[extractor]), stdin=stream, cwd=folder)
    files = {str(found.relative_to(folder)): found for found in folder.rglob("*") if found.is_file()}
    # libarchive gives every name the composed form.
    return {unicodedata.normalize("NFC", name): found.read_bytes() for name, found in files.items()}


def test_names_and_contents_of_all_sorts(java, tmp_path):
    made = Made(tmp_path / "odd.zip", {f"1/{name}": content for name, content in NAMES.items()})
    require_read_by_all(made, java)


@pytest.mark.parametrize("extractor", EXTRACTORS)
def test_they_are_extracted_as_they_are(extractor, tmp_path):
    contents = {f"1/{name}": content for name, content in NAMES.items()}
    path = Made(tmp_path / "odd.zip", contents).path
    composed = {unicodedata.normalize("NFC", name): content for name, content in contents.items()}
    assert extract(extractor, path, tmp_path / "out") == composed


@pytest.mark.parametrize("extractor", EXTRACTORS)
def test_hostile_names_stay_in_their_folder(extractor, tmp_path):
    names = dict(archive_names(HOSTILE)).values()
    path = Made(tmp_path / "hostile.zip", {f"1/{name}": name.encode() for name in names}).path
    (tmp_path / "beside").mkdir()
    extracted = extract(extractor, path, tmp_path / "beside" / "out")
    assert extracted == {f"1/{name}": name.encode() for name in names}
    assert [found.name for found in (tmp_path / "beside").iterdir()] == ["out"]
    assert len({unicodedata.normalize("NFC", name).casefold() for name in extracted}) == len(HOSTILE)


@pytest.mark.parametrize("count", [65_534, 65_535, 65_536])
def test_many_entries(java, tmp_path, count):
    require_read_by_all(Made(tmp_path / "many.zip", {f"1/{number}": b"x" for number in range(count)}), java)


def require_large(sizes, java, folder, *by_unzip):
    """Read an archive of zeros of which an entry begins or ends near a limit of 32 bits."""
    made = Made(folder / "large.zip", {f"1/{number}": size for number, size in enumerate(sizes)})
    try:
        require_read_by_all(made, java, by_unzip)
    finally:
        made.path.unlink()


def test_an_entry_of_4_gib_and_entries_behind_it(java, tmp_path):
    # unzip reads 100 MB a second; it looks at every header also for the small ones.
    require_large([5, LIMIT, 0, 7], java, tmp_path, "1/0", "1/2", "1/3")


@pytest.mark.soak
@pytest.mark.parametrize(
    "sizes",
    [
        [LIMIT - 1, 3],
        [LIMIT, 3, LIMIT, LIMIT, LIMIT + 1, 0, 3],
        [LIMIT + 1, 0, 3],
        [5 * 2**30, 3],
        [2**30] * 6,
        *([LIMIT - before, 3, LIMIT + 1, 3] for before in (35, 34, 33, 32)),
    ],
)
def test_sizes_and_offsets_near_4_gib(java, tmp_path, sizes):
    require_large(sizes, java, tmp_path)
