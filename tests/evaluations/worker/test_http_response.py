"""HTTP/1.1 answers as servers write them, and as none should."""

import gzip
import io
import zlib

import pytest

from services.evaluations.worker.http_response import BadResponse, read_response

LIMIT = 1_000


def read(raw, limit=LIMIT):
    return read_response(io.BytesIO(raw), limit)


def test_it_works():
    file = io.BytesIO(
        b"HTTP/1.1 200 OK\r\nContent-Type: a\r\nX-Two: 1\r\nX-TWO: 2\r\nContent-Length: 3\r\n\r\nabc"
        b"HTTP/1.1 429\r\ncontent-length: 0\r\nRetry-After:7\r\n\r\nrest"
    )
    first, second = read_response(file, LIMIT), read_response(file, LIMIT)

    assert (first.status, first.body, first.is_last) == (200, b"abc", False)
    assert first.headers == {"content-type": "a", "x-two": "1, 2", "content-length": "3"}
    assert (second.status, second.body, second.headers["retry-after"]) == (429, b"", "7")
    assert file.read() == b"rest"


def test_chunks_with_extensions_and_trailers():
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"
    found = read(head + b"3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: 1\r\n\r\n")

    assert (found.body, found.is_last) == (b"abc0123456789", False)


@pytest.mark.parametrize(
    ("head", "is_last"),
    [
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0", True),
        (b"HTTP/1.1 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0", True),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0", False),
        (b"HTTP/1.1 204 No Content", False),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 OK", False),
        (b"HTTP/1.1 200 OK", True),
    ],
)
def test_it_knows_whether_another_answer_can_follow(head, is_last):
    assert read(head + b"\r\n\r\n").is_last is is_last


def test_a_body_may_end_with_the_connection():
    assert read(b"HTTP/1.0 200 OK\n\nabc").body == b"abc"


def test_no_more_is_read_than_the_limit():
    big = b"x" * 5_000
    for raw in (
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + big,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1388\r\n" + big,
        b"HTTP/1.1 200 OK\r\n\r\n" + big,
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(big * 1_000)[:LIMIT],
    ):
        found = read(raw)
        assert (len(found.body), found.is_last) == (LIMIT, True)


@pytest.mark.parametrize(
    ("kind", "compress"),
    [("gzip", gzip.compress), ("x-gzip", gzip.compress), ("deflate", zlib.compress)]
    + [("deflate", lambda body: zlib.compress(body, wbits=-15))],
)
def test_compressed_bodies_are_read(kind, compress):
    body = compress(b'{"a": 1}')
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode()

    assert read(head + body).body == b'{"a": 1}'


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/1.1 200",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 2x0 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 300 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
    ],
    ids=lambda raw: str(raw[:60]),
)
def test_what_is_no_answer_is_refused(raw):
    with pytest.raises(BadResponse):
        read(raw)
