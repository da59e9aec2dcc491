"""Store.put(): one request or several parts, whole or not at all"""

import os

import pytest

from services.models.multipart import list_begun
from shared import store as shared_store
from shared.errors import Unavailable
from shared.s3 import Part
from shared.store import Store, connect
from tests.support.pipe import Pipe

PART = 5 * 2**20
"""The smallest that S3 joins."""

CONTENT = os.urandom(2 * PART + 1)


class Body:
    """Gives ``content`` in pieces of any size, and calls ``midway`` once when half of it was read."""

    def __init__(self, content, midway=lambda: None):
        self._content, self._read, self._midway = content, 0, midway

    def read(self, size):
        if self._midway and self._read >= len(self._content) // 2:
            midway, self._midway = self._midway, None
            midway()
        piece = self._content[self._read : self._read + min(size, 99_999)]
        self._read += len(piece)
        return piece


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(shared_store, "PART_BYTES", PART)


@pytest.fixture
def piped(store_settings):
    """The store behind a pipe, which is mended afterwards."""
    pipe = Pipe(store_settings.s3_endpoint.removeprefix("http://"))
    settings = type(store_settings)(**{**vars(store_settings), "s3_endpoint": f"http://127.0.0.1:{pipe.port}"})
    yield Store(connect(settings), "models"), pipe
    pipe.mend()


def left(store, key):
    """What the store has of a key: objects, and uploads that are open."""
    return [found.key for found in (*store.list(f"{key}/"), *list_begun(store)) if found.key.startswith(f"{key}/")]


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 2 * PART, 2 * PART + 1])
def test_it_works(store, size):
    key = f"put-{size}/a"
    etag = store.put(key, Body(CONTENT[:size]), content_type="text/plain")
    assert b"".join(store.chunks(key)) == CONTENT[:size]
    found = store.client.stat_object(bucket_name="models", object_name=key)
    assert (found.etag, found.content_type) == (etag, "text/plain")
    assert etag.partition("-")[2] == ("" if size < PART else str(-(-size // PART)))
    assert left(store, f"put-{size}") == [key]


@pytest.mark.parametrize("size", [1000, PART, 2 * PART + 1])
def test_what_the_body_raises_undoes_it(store, size):
    def leave():
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        store.put("put-raises/a", Body(CONTENT[:size], midway=leave))
    assert left(store, "put-raises") == []


@pytest.mark.keeps_checksums
@pytest.mark.parametrize("size", [1000, 2 * PART + 1])
def test_bytes_that_changed_on_the_way_are_refused_by_the_store(store, monkeypatch, size):
    """The store is told the CRC-32 of what was read, and looks."""
    pieces_of = Part.__iter__

    def damaged(part):
        for piece in pieces_of(part):
            yield piece[:-1] + bytes([piece[-1] ^ 1])

    monkeypatch.setattr(Part, "__iter__", damaged)
    with pytest.raises(Unavailable, match="BadDigest"):
        store.put("put-damaged/a", Body(CONTENT[:size]))
    assert left(store, "put-damaged") == []


def test_a_store_that_breaks_midway_is_asked_again(piped, store):
    behind, pipe = piped

    def break_off():
        pipe.cut()
        pipe.mend()

    behind.put("put-mended/a", Body(CONTENT, midway=break_off))
    assert b"".join(store.chunks("put-mended/a")) == CONTENT
    assert left(store, "put-mended") == ["put-mended/a"]


def test_a_store_that_stays_away_has_no_object(piped, store):
    behind, pipe = piped
    with pytest.raises(Unavailable):
        behind.put("put-away/a", Body(CONTENT, midway=pipe.cut))
    assert [found.key for found in store.list("put-away/")] == []
    # What is left of it is open for as long as nobody sweeps.
    [begun] = [found for found in list_begun(store) if found.key == "put-away/a"]
    store.client.abort_upload("models", begun.key, begun.store_id)
