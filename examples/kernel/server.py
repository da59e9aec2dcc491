"""The inference server: serves `chat` over HTTP/1.1 with keep-alive, one thread per connection."""

import json
import logging
import socket
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any

from examples.kernel import chat
from examples.kernel.served_models import ServedModels

LOG = logging.getLogger(__name__)

MAX_BODY = 1024 * 1024  # bytes


class ChatServer(ThreadingTCPServer):
    """Listens at once, or raises OSError; port 0 takes a free one, which `server_address[1]` says."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int, served_models: ServedModels) -> None:
        self.served_models = served_models
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Log an error of a connection, mostly that its client went away."""
        LOG.debug("Connection from %s broke", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: ChatServer
    protocol_version = "HTTP/1.1"
    timeout = 60  # seconds that a connection may be idle
    wbufsize = -1  # headers and body leave in one packet: no client waits for a delayed ACK

    def do_GET(self) -> None:
        try:
            status, body = HTTPStatus.OK, self._route(self._body())
        except chat.ChatError as error:
            status, body = HTTPStatus(error.status), error.body
        except Exception:
            LOG.exception("%s %s", self.command, self.path)
            self.send_error(HTTPStatus.INTERNAL_SERVER_ERROR)
            return
        self._send(status, body)

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_GET

    def _route(self, body: bytes) -> chat.JsonObject:
        path = self.path.partition("?")[0]
        method = "GET" if self.command == "HEAD" else self.command
        match path, method:
            case "/healthz", "GET":
                return {"status": "ok"}
            case "/v1/models", "GET":
                return chat.models(self.server.served_models)
            case "/v1/chat/completions", "POST":
                return chat.complete(self.server.served_models, body)
            case "/healthz" | "/v1/models" | "/v1/chat/completions", _:
                raise chat.ChatError(405, f"{path} does not know the method {method}", "method_not_allowed")
        raise chat.ChatError(404, f"There is nothing at {path}", "not_found")

    def _body(self) -> bytes:
        """Read the body, whether it is needed or not: what stays in the connection would be the next request."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdigit()):
            self.close_connection = True
            raise chat.ChatError(411, "A body needs a Content-Length", "length_required")
        if len(length) > 9 or int(length) > MAX_BODY:
            self.close_connection = True
            raise chat.ChatError(413, f"A body may have {MAX_BODY} bytes", "too_large")
        return self.rfile.read(int(length))

    def _send(self, status: HTTPStatus, body: chat.JsonObject) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Send what http.server itself refuses, a malformed request line, say, in the same shape."""
        self.close_connection = True
        status = HTTPStatus(code)
        self._send(status, chat.ChatError(code, message or status.phrase).body)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: a line for each request would drown those of the training."""
