"""Connections to a server: used again while they are good, and never once they are not."""

import socket
import threading

import pytest

from run.settings import free_port
from services.evaluations.worker.http_connections import HttpConnections, NoConnection
from services.evaluations.worker.http_response import BadResponse

REQUEST = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


class Server:
    """Sends ``answers[n]`` to the n-th connection's requests, one each, then closes it."""

    def __init__(self, answers):
        self.answers = answers
        self.closed = threading.Semaphore(0)
        self.accepted = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        for answers in self.answers:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            self.accepted += 1
            with client:
                for answer in answers:
                    client.recv(65_536)
                    client.sendall(answer)
            self.closed.release()

    def stop(self):
        self._socket.close()


@pytest.fixture
def connect():
    started = []

    def connect(*answers):
        server = Server(answers)
        connections = HttpConnections("127.0.0.1", server.port, tls=False, size=4, connect_timeout_s=5)
        started.append((server, connections))
        return server, connections

    yield connect
    for server, connections in started:
        connections.close()
        server.stop()


def test_a_connection_is_used_again(connect):
    server, connections = connect([HELLO] * 3)

    assert [connections.request(REQUEST, 100).body for _ in range(3)] == [b"hello"] * 3
    assert server.accepted == 1


def test_one_that_the_server_closed_meanwhile_is_not(connect):
    server, connections = connect([HELLO], [HELLO])

    assert connections.request(REQUEST, 100).body == b"hello"
    assert server.closed.acquire(timeout=10)
    assert connections.request(REQUEST, 100).body == b"hello"
    assert server.accepted == 2


@pytest.mark.parametrize(
    "last",
    [b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno", HELLO + b"and what nobody asked for"],
)
def test_one_that_cannot_be_used_again_is_not(connect, last):
    server, connections = connect([last, HELLO], [HELLO])

    assert connections.request(REQUEST, 100).status == 200
    assert connections.request(REQUEST, 100).body == b"hello"
    assert server.accepted == 2


def test_an_answer_that_breaks_off_is_none(connect):
    server, connections = connect([HELLO[:-2]], [HELLO])

    with pytest.raises(BadResponse, match="breaks off"):
        connections.request(REQUEST, 100)
    assert connections.request(REQUEST, 100).body == b"hello"


def test_nobody_there_is_no_connection():
    with pytest.raises(NoConnection) as caught:
        HttpConnections("127.0.0.1", free_port(), tls=False, size=1, connect_timeout_s=5).request(REQUEST, 100)

    assert isinstance(caught.value.__cause__, ConnectionRefusedError)
