"""The plan of a model's archive: what is in it, when its length is known, and how long a process keeps it"""

import hashlib
import io
import zipfile
import zlib
from datetime import UTC, datetime
from types import SimpleNamespace

import gevent
import pytest

from services.models.archive import plan
from services.models.archive.layout import Archive, Entry
from services.models.archive.object_reader import GeneratedFile, StoredObject
from services.models.archive.plan import PlanCache, plan_archive
from services.models.records import manifest_cache
from services.models.records.manifest import Manifest, ManifestFile
from services.models.selection import Selection
from shared.errors import Conflict, NotFound
from shared.pacing import ITEMS_A_TURN

MODEL = SimpleNamespace(
    id=7, revision=1, storage_path="some/where", created_at=datetime(2024, 2, 19, 12, 30, 45, tzinfo=UTC)
)
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
        ManifestFile(path, len(data), f"etag of {path}", zlib.crc32(data), hashlib.sha256(data).hexdigest(), None, None)
        for path, data in files.items()
    ]


def planned(rows, documents=DOCUMENTS):
    return plan_archive(Manifest(MODEL, rows, documents))


def whole(made, files):
    def read(content, offset, length):
        data = content.data if isinstance(content, GeneratedFile) else files[content.key.removeprefix("some/where/")]
        return data[offset : offset + length]

    return b"".join(
        piece if isinstance(piece, bytes) else read(made.members[piece.entry].content, piece.offset, piece.length)
        for piece in made.archive.pieces(0, made.archive.length)
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
    made = planned(rows_of(files))
    assert (made.archive.etag, made.archive.length) == (f'"{etag}"', length)
    data = whole(made, files)
    assert hashlib.sha256(data).hexdigest() == sha256
    archive = zipfile.ZipFile(io.BytesIO(data))
    assert archive.testzip() is None
    assert archive.namelist() == [member.name.decode() for member in made.members]


def test_a_member_has_its_object_and_its_path():
    made = planned(rows_of(ODD))
    assert [member.path for member in made.members] == [*ODD, *DOCUMENTS, "SHA256SUMS"]
    stored = [StoredObject(f"some/where/{row.path}", row.size, row.etag, row.crc32) for row in rows_of(ODD)]
    *contents, _ = [member.content for member in made.members]
    assert contents == stored + [GeneratedFile(text.encode()) for text in DOCUMENTS.values()]


@pytest.mark.parametrize(
    "sizes", [[2**32 - 1, 3, 0], [2**32, 0, 2**32 - 2], [1] * 65_536], ids=["2^32-1", "2^32", "many"]
)
def test_it_is_the_archive_of_its_entries(sizes):
    rows = [ManifestFile(f"f{index}", size, "e", index, "ab" * 32, None, None) for index, size in enumerate(sizes)]
    made = planned(rows, {})
    entries = [Entry(f"7/{row.path}".encode(), row.size, row.crc32) for row in rows]
    sums = "".join(f"{row.sha256}  {row.path}\n" for row in rows).encode()
    direct = Archive([*entries, Entry(b"7/SHA256SUMS", len(sums), zlib.crc32(sums))], MODEL.created_at)
    assert made.members[len(rows)].content.data == sums
    assert (made.archive.etag, made.archive.length) == (direct.etag, direct.length)
    for start in (0, 31, sizes[0] + 40, direct.length // 2, direct.length - 300):
        assert [*made.archive.pieces(start, start + 200)] == [*direct.pieces(start, start + 200)]


def test_its_length_is_not_known_until_every_checksum_is():
    *rows, last = rows_of(ODD)
    made = planned([*rows, last._replace(crc32=None)])
    assert made.archive is None
    assert "SHA256SUMS" not in [member.path for member in made.members]
    assert made.part(Selection(("a",))).archive is not None  # of which all are known
    with pytest.raises(NotFound, match="no file SHA256SUMS"):
        made.part(Selection(("SHA256SUMS",)))


def test_a_damaged_file_is_in_no_archive():
    rows = rows_of({"a": b"1", "b": b"2", "c": b"3"})
    missing = planned([rows[0], rows[1]._replace(error="damaged"), rows[2]._replace(crc32=None, error="missing")])
    with pytest.raises(Conflict, match="damaged"):
        missing.require_undamaged()
    missing.part(Selection(("a",))).require_undamaged()
    missing.part(Selection(("c",))).require_undamaged()  # whether it is back is for the store to say


def test_a_model_without_files_has_no_archive():
    with pytest.raises(NotFound, match="no files"):
        planned([])


def test_a_long_one_yields_to_others_while_it_is_made():
    turns = []

    def take_turns():
        while True:
            turns.append(len(turns))
            gevent.sleep(0)

    other = gevent.spawn(take_turns)
    planned(rows_of({f"f{number}": b"" for number in range(5_000)}), {})
    other.kill()
    assert len(turns) >= 4 * 5_000 / ITEMS_A_TURN


class Plans:
    """A cache over models of so many files, and how often one was planned."""

    def __init__(self, monkeypatch, files=10):
        self.files, self.made, self.revisions = files, [], {}
        monkeypatch.setattr(manifest_cache, "get_model", self.model)
        monkeypatch.setattr(manifest_cache, "read_manifest", self.manifest)
        self.cache = PlanCache(max_members=100)

    def model(self, model_id):
        fields = vars(MODEL) | {"id": model_id, "revision": self.revisions.get(model_id, 1)}
        return SimpleNamespace(**fields)

    def manifest(self, model_id):
        self.made.append(model_id)
        gevent.sleep(0)
        return Manifest(self.model(model_id), rows_of({f"f{number}": b"x" for number in range(self.files)}), {})

    def get(self, model_id):
        return self.cache.get(self.model(model_id))


@pytest.fixture
def plans(monkeypatch):
    return Plans(monkeypatch)


def test_it_is_made_once_for_each_revision(plans):
    assert plans.get(1) is plans.get(1)
    plans.revisions[1] = 2
    assert plans.get(1) is plans.get(1)
    assert plans.made == [1, 1]


def test_requests_that_come_at_once_share_it(plans):
    greenlets = [gevent.spawn(plans.get, 1) for _ in range(16)]
    gevent.joinall(greenlets, raise_error=True)
    assert len({id(greenlet.value) for greenlet in greenlets}) == 1
    assert plans.made == [1]


def test_the_least_recently_used_is_forgotten_first(plans):
    for model_id in range(1, 10):  # of eleven members each, with the list of checksums
        plans.get(model_id)
    plans.get(1)
    plans.get(10)  # one too many
    plans.made.clear()
    for model_id in (1, 3, 4, 5, 6, 7, 8, 9, 10):
        plans.get(model_id)
    assert plans.made == []
    plans.get(2)
    assert plans.made == [2]


def test_one_that_is_larger_than_all_room_is_made_for_each_request(plans):
    plans.files = 200
    assert len(plans.get(1).members) == len(plans.get(1).members) == 201
    assert plans.made == [1, 1]


def test_one_without_a_length_is_not_kept(plans, monkeypatch):
    monkeypatch.setattr(plan, "plan_archive", lambda manifest: SimpleNamespace(archive=None, model=manifest.model))
    plans.get(1)
    plans.get(1)
    assert plans.made == [1, 1]
