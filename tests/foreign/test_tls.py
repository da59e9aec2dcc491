"""The worker's connections over TLS, to a server with a certificate made by openssl."""

import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from services.evaluations.worker.http_connections import HttpConnections, NoConnection

REQUEST = b"GET /v1 HTTP/1.1\r\nHost: here\r\n\r\n"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.clients.append(self.client_address)
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *args):
        """Nothing."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificate")
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = ["-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"]
    subprocess.run(["openssl", "req", "-x509", *made, *names], check=True, capture_output=True, timeout=60)
    return folder


@pytest.fixture
def server(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    http.socket = context.wrap_socket(http.socket, server_side=True)
    http.handle_error = lambda *_: None  # a client that does not trust it
    http.clients = []
    threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True).start()
    yield http
    http.shutdown()
    http.server_close()


@pytest.fixture
def connect(server):
    made = []

    def connect():
        made.append(HttpConnections("127.0.0.1", server.server_port, tls=True, size=2, connect_timeout_s=5))
        return made[-1]

    yield connect
    for connections in made:
        connections.close()


def test_it_works_and_a_connection_is_used_again(server, connect, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    connections = connect()

    for _ in range(3):
        assert connections.request(REQUEST, 100).body == b"hello"
    assert len(set(server.clients)) == 1


def test_it_rejects_a_certificate_that_nobody_vouches_for(connect):
    with pytest.raises(NoConnection) as caught:
        connect().request(REQUEST, 100)

    assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)
