"""Stores that answer what S3 would not: no file may be put together from it"""

import re
import threading
import time
import zlib
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from services.models.archive import object_reader
from services.models.archive.object_reader import ObjectDamaged, StoredObject, read_content
from shared.errors import Conflict, Unavailable
from shared.s3.bucket import Bucket
from shared.s3.client import connect

CONTENT = bytes(range(256)) * 2000
WHOLE = StoredObject("a", len(CONTENT), "e", zlib.crc32(CONTENT))


class OddStore(ThreadingHTTPServer):
    """Answers each request by the next of ``answers``, and the last one from then on."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.asked = [], 0

    def handle_error(self, request, client_address):
        """A reader that has seen enough closes the connection."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        answers = self.server.answers
        answer = answers[min(self.server.asked, len(answers) - 1)]
        self.server.asked += 1
        first, last = map(int, re.findall("[0-9]+", self.headers["Range"]))
        with suppress(OSError):
            answer(self, first, last)

    def give(self, status, body, headers=(), length=None):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def content_range(first, last):
    return (("Content-Range", f"bytes {first}-{last}/{len(CONTENT)}"),)


def right(handler, first, last):
    handler.give(206, CONTENT[first : last + 1], content_range(first, last))


def whole(handler, first, last):
    handler.give(200, CONTENT)


def another_range(handler, first, last):
    handler.give(206, CONTENT[: last + 1 - first], content_range(0, last - first))


def shorter_range(handler, first, last):
    handler.give(206, CONTENT[first : last - 9], content_range(first, last - 10))


def nameless_range(handler, first, last):
    handler.give(206, CONTENT[: last + 1 - first])


def too_much(handler, first, last):
    handler.give(206, CONTENT[first : last + 1] + b"more", content_range(first, last))


def breaks_off(handler, first, last):
    handler.give(206, CONTENT[first : first + 100_000], content_range(first, last), length=last + 1 - first)
    handler.close_connection = True


def slow_down(handler, first, last):
    handler.give(503, b"<Error><Code>SlowDown</Code></Error>", (("Content-Type", "application/xml"),))


def balancer(handler, first, last):
    handler.give(502, b"<html>Bad Gateway</html>", (("Content-Type", "text/html"),))


def stalls(handler, first, last):
    handler.give(206, CONTENT[first : first + 1000], content_range(first, last), length=last + 1 - first)
    time.sleep(3)  # beyond the read timeout of these tests


def rotten(handler, first, last):
    handler.give(206, bytes(last + 1 - first), content_range(first, last))


@pytest.fixture
def odd(monkeypatch):
    """Make a store that answers by the functions given."""
    monkeypatch.setattr(object_reader, "FIRST_PAUSE_S", 0.001)
    server = OddStore()
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def make(*answers):
        server.answers, server.asked = answers, 0
        url = f"http://127.0.0.1:{server.server_port}"
        settings = SimpleNamespace(s3_endpoint=url, s3_region="r", s3_access_key="k", s3_secret_key="s")
        return Bucket(connect(settings, read_timeout_s=1), "models")

    yield make
    server.shutdown()
    server.server_close()


def read(bucket, offset=0, **kwargs):
    return b"".join(read_content(bucket, WHOLE, offset, len(CONTENT) - offset, **kwargs))


@pytest.mark.parametrize("failure", [breaks_off, slow_down, balancer, stalls, whole])
def test_what_fails_once_or_twice_is_healed(odd, failure):
    assert read(odd(failure, failure, right), offset=7) == CONTENT[7:]


@pytest.mark.parametrize("oddity", [whole, another_range, shorter_range, nameless_range])
def test_it_rejects_another_range_than_was_asked_for(odd, oddity):
    received = []
    with pytest.raises(Unavailable):
        received += read_content(odd(oddity), WHOLE, 7, 1000)
    assert received == []


@pytest.mark.parametrize("failure", [whole, another_range, slow_down, balancer])
def test_nobody_waits_for_a_retry_before_the_first_byte(odd, failure, monkeypatch):
    store = odd(failure)
    monkeypatch.setattr(object_reader, "FIRST_PAUSE_S", 1e6)
    with pytest.raises(Unavailable):
        read(store, offset=7, patient=False)


def test_it_rejects_more_than_was_asked_for(odd):
    with pytest.raises(Conflict):
        read(odd(too_much))


def test_it_rejects_content_of_another_crc(odd):
    received = []
    with pytest.raises(ObjectDamaged) as raised:
        received += read_content(odd(rotten), WHOLE, 0, len(CONTENT))
    assert isinstance(raised.value, Conflict)
    assert sum(map(len, received)) < len(CONTENT)
