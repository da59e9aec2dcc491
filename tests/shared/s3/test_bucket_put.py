"""Bucket.put(): one request or several parts, whole or not at all"""

import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from shared.errors import Unavailable
from shared.s3 import bucket as shared_bucket
from shared.s3.bucket import Bucket
from shared.s3.client import PartBody, connect
from shared.s3.errors import StoreHangs
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
    monkeypatch.setattr(shared_bucket, "PART_BYTES", PART)


@pytest.fixture
def piped(store_settings):
    """The store behind a pipe, which is mended afterwards."""
    pipe = Pipe(store_settings.s3_endpoint.removeprefix("http://"))
    settings = type(store_settings)(**{**vars(store_settings), "s3_endpoint": f"http://127.0.0.1:{pipe.port}"})
    yield Bucket(connect(settings), "models"), pipe
    pipe.mend()


def left(bucket, key):
    """What the store has of a key: objects, and uploads that are open."""
    return [found.key for found in (*bucket.list(f"{key}/"), *bucket.list_uploads()) if found.key.startswith(f"{key}/")]


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 2 * PART, 2 * PART + 1])
def test_it_works(bucket, size):
    key = f"put-{size}/a"
    etag = bucket.put(key, Body(CONTENT[:size]), content_type="text/plain")
    assert b"".join(bucket.chunks(key)) == CONTENT[:size]
    found = bucket.client.stat_object(bucket_name="models", object_name=key)
    assert (found.etag, found.content_type) == (etag, "text/plain")
    assert etag.partition("-")[2] == ("" if size < PART else str(-(-size // PART)))
    assert left(bucket, f"put-{size}") == [key]


@pytest.mark.parametrize("size", [1000, PART, 2 * PART + 1])
def test_what_the_body_raises_undoes_it(bucket, size):
    def leave():
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        bucket.put("put-raises/a", Body(CONTENT[:size], midway=leave))
    assert left(bucket, "put-raises") == []


@pytest.mark.keeps_checksums
@pytest.mark.parametrize("size", [1000, 2 * PART + 1])
def test_bytes_that_changed_on_the_way_are_refused_by_the_store(bucket, monkeypatch, size):
    """The store is told the CRC-32 of what was read, and looks."""
    pieces_of = PartBody.__iter__

    def damaged(part):
        for piece in pieces_of(part):
            yield piece[:-1] + bytes([piece[-1] ^ 1])

    monkeypatch.setattr(PartBody, "__iter__", damaged)
    with pytest.raises(Unavailable, match="BadDigest"):
        bucket.put("put-damaged/a", Body(CONTENT[:size]))
    assert left(bucket, "put-damaged") == []


def test_a_store_that_breaks_midway_is_asked_again(piped, bucket):
    behind, pipe = piped

    def break_off():
        pipe.cut()
        pipe.mend()

    behind.put("put-mended/a", Body(CONTENT, midway=break_off))
    assert b"".join(bucket.chunks("put-mended/a")) == CONTENT
    assert left(bucket, "put-mended") == ["put-mended/a"]


def test_a_store_that_stays_away_has_no_object(piped, bucket):
    behind, pipe = piped
    with pytest.raises(Unavailable):
        behind.put("put-away/a", Body(CONTENT, midway=pipe.cut))
    assert [found.key for found in bucket.list("put-away/")] == []
    # What is left of it is open for as long as nobody sweeps.
    [begun] = [found for found in bucket.list_uploads() if found.key == "put-away/a"]
    bucket.client.abort_upload("models", begun.key, begun.id)


@pytest.fixture
def hanging():
    """A store that takes uploads and hangs as it is to put the parts together, and the methods that it was asked by."""
    asked, ends = [], threading.Event()
    begun = b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"

    class Store(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked.append(self.command)
            if self.command == "POST" and "uploadId=" in self.path:
                self.close_connection = ends.wait()
                return
            self.send_response(200)
            self.send_header("ETag", '"etag"')
            self.send_header("Content-Length", str(len(begun)))
            self.end_headers()
            self.wfile.write(begun)

        do_PUT = do_DELETE = do_POST

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Store)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    ends.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_store_that_hangs_at_the_end_is_not_asked_for_more(store_settings, hanging):
    """It may put the parts together yet; the abort would hang as long again."""
    url, asked = hanging
    settings = type(store_settings)(**{**vars(store_settings), "s3_endpoint": url})
    with pytest.raises(StoreHangs):
        Bucket(connect(settings, read_timeout_s=0.5), "models").put("put-hangs/a", Body(CONTENT))
    assert asked.count("PUT") == 3
    assert "DELETE" not in asked
