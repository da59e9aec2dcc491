"""A stand-in for S3 whose objects are zeros, for archives larger than the disk; it answers reads and checks nothing."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

ETAG = "0" * 32


class _Zeros(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, objects: int, size: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects, self.size = objects, size
        # A file without blocks: the kernel sends zeros, and nobody has to make them.
        self.file = os.memfd_create("zeros")
        os.ftruncate(self.file, size)

    def handle_error(self, request: object, client_address: object) -> None:
        """A reader that has enough closes the connection."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Zeros

    def do_HEAD(self) -> None:
        self._answer(200, self.server.size)

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if "list-type" in parts.query:
            self._list(unquote(parse_qs(parts.query).get("prefix", [""])[0]))
            return
        size = self.server.size
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "bytes=0-"))
        assert asked is not None
        first, last = int(asked[1]), min(int(asked[2] or size - 1), size - 1)
        self._answer(206, last + 1 - first, ("Content-Range", f"bytes {first}-{last}/{size}"))
        self.wfile.flush()
        while first <= last:
            first += os.sendfile(self.connection.fileno(), self.server.file, first, last + 1 - first)

    def _list(self, prefix: str) -> None:
        facts = f"<ETag>{ETAG}</ETag><Size>{self.server.size}</Size>"
        keys = (f"{prefix}{number:03}.bin" for number in range(self.server.objects))
        listed = "".join(f"<Contents><Key>{key}</Key>{facts}</Contents>" for key in keys)
        body = f"<ListBucketResult><Name>models</Name>{listed}</ListBucketResult>".encode()
        self._answer(200, len(body))
        self.wfile.write(body)

    def _answer(self, status: int, length: int, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (("ETag", f'"{ETAG}"'), ("Content-Length", str(length)), *headers):
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


@contextmanager
def zeros(objects: int, size: int) -> Iterator[str]:
    """Serve so many objects of ``size`` zeros below whatever prefix is listed; gives the endpoint."""
    with _Zeros(objects, size) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
