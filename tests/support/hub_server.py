"""A stand-in for the Hugging Face Hub: answers what it was given, and notes who asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NOT_FOUND = (404, {"X-Error-Code": "RepoNotFound"}, b"{}")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HubServer

    def do_GET(self) -> None:
        self.server.requests.append((self.command, self.path, dict(self.headers)))
        self.server.answering.wait()
        status, headers, content = self.server.answers.get(
            self.path.partition("?")[0], (404, {"X-Error-Code": "RepoNotFound"}, b"{}")
        )
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_HEAD = do_GET

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


class HubServer(ThreadingHTTPServer):
    """Its ``answers`` by path are status, headers and content; ``requests`` are method, path and headers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.answering = threading.Event()
        self.answering.set()


@contextmanager
def hub_server() -> Iterator[HubServer]:
    """Run one on loopback during the block."""
    with HubServer() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.answering.set()
            server.shutdown()
