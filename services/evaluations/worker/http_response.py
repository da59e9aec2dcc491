"""Reads an HTTP/1.1 answer whole: its status line, headers, and its body however that is delimited; pure.

RFC 9112, sections 4 to 7. The standard library's reader parses headers as those of a mail, a tenth of a request's cost.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from typing import BinaryIO, NamedTuple

_MAX_LINE = 65_536
_MAX_HEADERS = 200
_NO_BODY = frozenset({204, 304})
_COMPRESSED = frozenset({"gzip", "x-gzip", "deflate"})
_SIZE = re.compile(rb"[0-9a-fA-F]+")
_WINDOWS = (32 + zlib.MAX_WBITS, -zlib.MAX_WBITS)
"""Of zlib: with gzip's header or its own, and without any, as some send deflate."""


class BadResponse(Exception):
    """What came is no HTTP/1.1 answer, or not all of one."""


class Response(NamedTuple):
    status: int
    headers: Mapping[str, str]
    """By their names in lower case."""
    body: bytes
    is_last: bool
    """Nothing can follow it on its connection."""


def read_response(file: BinaryIO, limit: int) -> Response:
    """Return the next final answer, of whose body at most ``limit`` bytes are read; BadResponse, or OSError."""
    status = 100
    while 100 <= status < 200:
        version, status = _read_status(file)
        headers = _read_headers(file)
    options = headers.get("connection", "").lower()
    is_last = "close" in options or (version == b"HTTP/1.0" and "keep-alive" not in options)
    if status in _NO_BODY:
        return Response(status, headers, b"", is_last)
    if headers.get("transfer-encoding", "").lower().rpartition(",")[2].strip() == "chunked":
        body, is_whole = _read_chunks(file, limit)
    elif "content-length" in headers:
        body, is_whole = _read_sized(file, headers["content-length"], limit)
    else:
        body, is_whole = file.read(limit), False
    kind = headers.get("content-encoding", "").strip().lower()
    return Response(status, headers, _inflate(body, limit) if kind in _COMPRESSED else body, is_last or not is_whole)


def _read_line(file: BinaryIO) -> bytes:
    line = file.readline(_MAX_LINE)
    if not line.endswith(b"\n"):
        raise BadResponse("the answer breaks off" if len(line) < _MAX_LINE else "a line of the answer never ends")
    return line.rstrip(b"\r\n")


def _read_status(file: BinaryIO) -> tuple[bytes, int]:
    version, _, rest = _read_line(file).partition(b" ")
    code = rest[:3]
    if not version.startswith(b"HTTP/1.") or not code.isdigit() or len(code) != 3:
        raise BadResponse("the answer is not HTTP/1.1")
    return version, int(code)


def _read_headers(file: BinaryIO) -> dict[str, str]:
    headers: dict[str, str] = {}
    for _ in range(_MAX_HEADERS):
        line = _read_line(file)
        if not line:
            return headers
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon:
            raise BadResponse("a header of the answer has no name")
        name, value = name.strip().lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    raise BadResponse("the answer has too many headers")


def _read_sized(file: BinaryIO, length: str, limit: int) -> tuple[bytes, bool]:
    if not (length.isascii() and length.isdigit()):
        raise BadResponse("the answer's length is no number")
    size = int(length)
    body = file.read(min(size, limit))
    if len(body) < min(size, limit):
        raise BadResponse("the answer breaks off")
    return body, len(body) == size


def _read_chunks(file: BinaryIO, limit: int) -> tuple[bytes, bool]:
    body = bytearray()
    while True:
        text = _read_line(file).partition(b";")[0].strip()
        if not _SIZE.fullmatch(text):
            raise BadResponse("a chunk's size is no number")
        size = int(text, 16)
        if size == 0:
            break
        wanted = min(size, limit - len(body))
        piece = file.read(wanted)
        body += piece
        if len(piece) < wanted:
            raise BadResponse("the answer breaks off")
        if wanted < size:
            return bytes(body), False
        _read_line(file)
    while _read_line(file):
        pass  # trailers
    return bytes(body), True


def _inflate(body: bytes, limit: int) -> bytes:
    for window in _WINDOWS:
        decoder = zlib.decompressobj(window)
        try:
            inflated = decoder.decompress(body, limit)
        except zlib.error:
            continue
        if decoder.eof or len(inflated) == limit:
            return inflated
    if body:
        raise BadResponse("the answer is not compressed as it says")
    return body
