"""The inference server: HTTP/1.1 with keep-alive around `chat`, a thread for each connection."""

import json
import logging
import socket
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any

from examples.kernel import chat
from examples.kernel.shelf import Shelf

LOG = logging.getLogger(__name__)

MAX_BODY = 1024 * 1024  # bytes


class InferenceServer(ThreadingTCPServer):
    """Raises OSError where it cannot listen; port 0 takes a free one, told by `server_address[1]`."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int, shelf: Shelf) -> None:
        self.shelf = shelf
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Mostly a client that went away; the connection is closed either way."""
        LOG.debug("Connection from %s broke", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: InferenceServer
    protocol_version = "HTTP/1.1"
    timeout = 60  # seconds that a connection may be idle
    wbufsize = -1  # headers and body leave in one packet, so nobody waits for a delayed ACK

    def do_GET(self) -> None:
        try:
            status, answer = HTTPStatus.OK, self._route(self._body())
        except chat.Refused as refused:
            status, answer = HTTPStatus(refused.status), refused.answer
        except Exception:
            LOG.exception("%s %s", self.command, self.path)
            self.send_error(HTTPStatus.INTERNAL_SERVER_ERROR)
            return
        self._send(status, answer)

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_GET

    def _route(self, body: bytes) -> chat.Answer:
        path = self.path.partition("?")[0]
        method = "GET" if self.command == "HEAD" else self.command
        match path, method:
            case "/healthz", "GET":
                return {"status": "ok"}
            case "/v1/models", "GET":
                return chat.models(self.server.shelf)
            case "/v1/chat/completions", "POST":
                return chat.complete(self.server.shelf, body)
            case "/healthz" | "/v1/models" | "/v1/chat/completions", _:
                raise chat.Refused(405, f"{path} does not know the method {method}", "method_not_allowed")
        raise chat.Refused(404, f"There is nothing at {path}", "not_found")

    def _body(self) -> bytes:
        """Always read, also where nobody wants it: what stays in the connection would be the next request."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdigit()):
            self.close_connection = True
            raise chat.Refused(411, "A body needs a Content-Length", "length_required")
        if len(length) > 9 or int(length) > MAX_BODY:
            self.close_connection = True
            raise chat.Refused(413, f"A body may have {MAX_BODY} bytes", "too_large")
        return self.rfile.read(int(length))

    def _send(self, status: HTTPStatus, answer: chat.Answer) -> None:
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What http.server itself refuses, say a malformed request line, in the same shape."""
        self.close_connection = True
        status = HTTPStatus(code)
        self._send(status, chat.Refused(code, message or status.phrase).answer)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a line for each request would drown the training's."""
