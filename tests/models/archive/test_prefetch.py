"""Small files that are fetched before their turn"""

import os
import uuid
import zlib
from contextlib import closing
from io import BytesIO

import gevent
import pytest

from services.models.archive import object_reader
from services.models.archive.layout import Read
from services.models.archive.object_reader import GeneratedFile, ObjectDamaged, StoredObject
from services.models.archive.prefetch import read_pieces
from shared.errors import Conflict, Unavailable
from shared.s3.readable_bucket import CHUNK_BYTES

LARGE = os.urandom(CHUNK_BYTES + 1)
FILES = [b"first", b"", *(b"%d" % number * 1000 for number in range(8)), LARGE, b"", b"last"]


@pytest.fixture
def stored(bucket):
    """Store the files and return them as they were recorded."""
    folder = f"ahead-{uuid.uuid4().hex}"
    keys = [f"{folder}/{number}" for number in range(len(FILES))]
    etags = [bucket.put(key, BytesIO(data)) for key, data in zip(keys, FILES, strict=True)]
    found = zip(keys, FILES, etags, strict=True)
    return [StoredObject(key, len(data), etag, zlib.crc32(data)) for key, data, etag in found]


@pytest.fixture
def opened(bucket, monkeypatch):
    """The keys of the objects that are or were read, in order."""
    opened = []
    chunks_of = bucket.chunks

    def chunks(key, **kwargs):
        opened.append(key)
        return chunks_of(key, **kwargs)

    monkeypatch.setattr(bucket, "chunks", chunks)
    return opened


def pieces_of(contents):
    for index, content in enumerate(contents):
        yield b"header %d" % index
        yield Read(index, 0, content.size)
    yield from [b"directory"] * 20


def take(turns, received):
    """Append what each turn gives, until one raises."""
    for turn in turns:
        received.append(turn if isinstance(turn, bytes) else b"".join(turn))
    return received


def test_it_works(bucket, stored, opened):
    contents = [*stored[:4], GeneratedFile(b"made"), *stored[4:]]
    sizes = [*FILES[:4], b"made", *FILES[4:]]
    pieces = [piece for index, data in enumerate(sizes) for piece in (b"header %d" % index, Read(index, 0, len(data)))]
    expected = [data for index, data in enumerate(sizes) for data in (b"header %d" % index, data)]
    assert take(read_pieces(bucket, contents, [*pieces, b"end"]), []) == [*expected, b"end"]
    assert sorted(opened) == sorted(content.key for content in stored if content.size)  # each once


def test_part_of_a_file_is_that_part(bucket, stored):
    pieces = [Read(2, 995, 5), b"h", Read(3, 0, 10), b"h", Read(10, 7, 100)]
    assert take(read_pieces(bucket, stored, pieces), []) == [b"0" * 5, b"h", b"1" * 10, b"h", LARGE[7:107]]


def test_none_is_fetched_before_the_first_was_read_and_no_more_than_four_are(bucket, stored, opened):
    with closing(read_pieces(bucket, stored[2:], pieces_of(stored[2:]))) as turns:
        assert next(turns) == b"header 0"
        first = next(turns)
        gevent.sleep(0)
        assert opened == []
        assert b"".join(first) == FILES[2]
        assert next(turns) == b"header 1"
        gevent.sleep(0)
        assert opened == [content.key for content in stored[2:7]]
        assert b"".join(next(turns)) == FILES[3]
        next(turns)
        gevent.sleep(0)
        assert len(opened) == 6


@pytest.mark.parametrize("failure", ["missing", "another", "damaged"])
def test_one_that_fails_does_so_in_its_turn(bucket, stored, failure):
    if failure == "damaged":
        stored[5] = StoredObject(stored[5].key, stored[5].size, stored[5].etag, 1)
    elif failure == "missing":
        bucket.remove(stored[5].key)
    else:
        bucket.put(stored[5].key, BytesIO(b"other"))
    received = []
    with pytest.raises(ObjectDamaged if failure == "damaged" else Conflict):
        take(read_pieces(bucket, stored, pieces_of(stored)), received)
    assert received[1::2] == FILES[:5]
    assert received[-1] == b"header 5"


def test_nobody_waits_for_the_first_one(bucket, stored, monkeypatch):
    def chunks(key, **kwargs):
        raise Unavailable("away")

    monkeypatch.setattr(bucket, "chunks", chunks)
    monkeypatch.setattr(object_reader, "FIRST_PAUSE_S", 1e6)
    with pytest.raises(Unavailable):
        take(read_pieces(bucket, stored, pieces_of(stored)), [])


def test_who_leaves_ends_all_reads(bucket, stored, monkeypatch):
    under_way = []

    def chunks(key, **kwargs):
        under_way.append(key)
        try:
            gevent.sleep(10)  # a store that takes its time
            yield b""
        finally:
            under_way.remove(key)

    with closing(read_pieces(bucket, stored[2:], pieces_of(stored[2:]))) as turns:
        assert next(turns)
        assert b"".join(next(turns)) == FILES[2]
        monkeypatch.setattr(bucket, "chunks", chunks)
        assert next(turns)
        gevent.sleep(0)
        assert len(under_way) == 4
    gevent.sleep(0.01)  # for those that are killed to end
    assert under_way == []
