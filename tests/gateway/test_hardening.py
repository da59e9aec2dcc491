"""The gateway against the slow, the large and the crooked: limits, time-outs, headers, request smuggling."""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import threading
from urllib.parse import urlsplit

import pytest
import requests

from run import parts
from run.settings import free_port
from tests.support.databases import one_database
from tests.support.services import environ_of
from tests.support.waiting import wait_until

pytestmark = one_database

JOBS = "/api/v1/jobs"
MIB = 2**20


def start_gateway(start, folder, urls, store_server, **environ):
    port = free_port()
    upstreams = {f"{name.upper()}_UPSTREAM": url.removeprefix("http://") for name, url in urls.items()}
    settings = {**upstreams, "S3_UPSTREAM": store_server.endpoint, **environ}
    start(parts.caddy(os.environ.get("CADDY_BIN"), folder, ["127.0.0.1"], port, settings, ()))
    return f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def urls(start, serve, logs, redis_url, store_server, store_settings, tmp_path_factory):
    """The three services and a gateway in front of them."""
    folder = tmp_path_factory.mktemp("hardened")
    store = environ_of(store_settings) | store_server.parts_environ
    found = {"logs": logs.url}
    for name in ("models", "evaluations"):
        environ = {"DATABASE_URL": f"sqlite:///{folder / name}.db", "REDIS_URL": redis_url, "GATEWAY_URL": "http://g"}
        found[name] = serve(name, **environ, **store, LOGS_URL=logs.url, MODELS_URL=found.get("models", "")).url
    return found | {"gateway": start_gateway(start, folder, found, store_server)}


def connect(url):
    address = urlsplit(url)
    return socket.create_connection((address.hostname, address.port), timeout=30)


def answers_to(url, raw, silent_s=2):
    """Send bytes, and return all that comes until the server closes, or for some seconds says nothing more."""
    with connect(url) as client:
        client.sendall(raw)
        client.settimeout(silent_s)
        received = b""
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            while piece := client.recv(65536):
                received += piece
        return received


def test_it_works(urls):
    for path in (JOBS, "/api/v1/models", "/api/v1/evaluations", "/nothing", f"{JOBS}/999999999"):
        headers = requests.get(urls["gateway"] + path, timeout=10).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "Strict-Transport-Security" not in headers
        assert not {"Server", "Via"} & set(headers)


def test_under_https_browsers_are_told_to_stay_there(start, urls, store_server, tmp_path):
    port, services = free_port(), {name: url for name, url in urls.items() if name != "gateway"}
    upstreams = {f"{name.upper()}_UPSTREAM": url.removeprefix("http://") for name, url in services.items()}
    environ = {**upstreams, "S3_UPSTREAM": store_server.endpoint, "GATEWAY_SITE": "https://localhost"}
    start(parts.caddy(os.environ.get("CADDY_BIN"), tmp_path, ["127.0.0.1"], port, environ, ()))
    certificate = wait_until(lambda: next(iter(tmp_path.rglob("pki/authorities/local/root.crt")), None))

    def ask(path):
        with contextlib.suppress(requests.exceptions.SSLError):  # it makes its own certificate after the authority's
            return requests.get(f"https://localhost:{port}{path}", verify=str(certificate), timeout=10).headers

    for path in (JOBS, "/nothing"):
        headers = wait_until(functools.partial(ask, path))
        assert headers["Strict-Transport-Security"] == "max-age=31536000"


def test_two_hundred_slow_loris_connections_hold_nothing_up(urls):
    """Each sends a byte of its header now and then; in the end all are closed."""
    with contextlib.ExitStack() as opened:
        slow = [opened.enter_context(connect(urls["gateway"])) for _ in range(200)]
        for client in slow:
            client.sendall(b"POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        for _ in range(20):
            for client in slow:
                client.sendall(b"a")
            assert requests.get(urls["gateway"] + JOBS, timeout=10).status_code == 200
        for client in slow:
            with contextlib.suppress(ConnectionResetError):
                while client.recv(4096):
                    pass


@pytest.mark.soak
def test_a_connection_that_asks_nothing_more_is_closed(urls):
    """After two minutes."""
    with connect(urls["gateway"]) as client:
        client.settimeout(200)
        client.sendall(f"GET {JOBS}?limit=1 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert client.recv(65536).startswith(b"HTTP/1.1 200")
        while client.recv(65536):
            pass


@pytest.mark.parametrize("where", ["logs", "models", "evaluations"])
def test_two_hundred_slow_loris_connections_hold_no_service_up_either(urls, where):
    paths = {"logs": JOBS, "models": "/api/v1/models", "evaluations": "/api/v1/evaluations"}
    with contextlib.ExitStack() as opened:
        slow = [opened.enter_context(connect(urls[where])) for _ in range(200)]
        for number, client in enumerate(slow):
            body = b"Content-Length: 1000\r\nContent-Type: application/json\r\n\r\n{" if number % 2 else b"X-Slow: "
            client.sendall(f"POST {paths[where]} HTTP/1.1\r\nHost: localhost\r\n".encode() + body)
        for _ in range(20):
            assert requests.get(urls[where] + paths[where], timeout=10).status_code == 200


def chunked(total):
    left = total
    while left > 0:
        yield b" " * min(left, MIB)
        left -= MIB


@pytest.mark.parametrize("path", [JOBS, f"{JOBS}/1/logs", "/api/v1/tickets", "/api/v1/evaluations/1/cancel"])
def test_a_body_without_a_length_is_cut_off_at_its_limit(urls, path):
    headers = {"Content-Type": "application/json"}
    answer = requests.post(urls["gateway"] + path, data=chunked(64 * MIB), headers=headers, timeout=60)
    assert answer.status_code in (413, 404)


def test_a_body_without_a_length_is_read_up_to_its_limit(urls):
    job = requests.post(urls["gateway"] + JOBS, json={"dataset_id": 1}, timeout=10).json()["ID"]
    lines = b'{"message": "x"}\n' * 1000
    answer = requests.post(
        f"{urls['gateway']}{JOBS}/{job}/logs",
        data=iter([lines, b"\n" * (8 * MIB - len(lines))]),
        headers={"Content-Type": "application/x-ndjson"},
        timeout=60,
    )
    assert answer.status_code in (201, 422), answer.text


@pytest.mark.parametrize("where", ["gateway", "logs", "models", "evaluations"])
def test_a_huge_header_is_refused(urls, where):
    raw = b"GET /api/v1/session HTTP/1.1\r\nHost: localhost\r\nX-Huge: " + b"a" * 200_000 + b"\r\n\r\n"
    assert answers_to(urls[where], raw).split(b" ", 2)[1] in (b"431", b"400")


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"

CROOKED = {
    "length and chunks": b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
    "chunks and length": b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n1\r\nZ\r\nQ\r\n\r\n",
    "two lengths": b"Content-Length: 0\r\nContent-Length: 44\r\n\r\n" + SMUGGLED,
    "two lengths in one": b"Content-Length: 0, 44\r\n\r\n" + SMUGGLED,
    "a signed length": b"Content-Length: +0\r\n\r\n" + SMUGGLED,
    "a negative length": b"Content-Length: -1\r\n\r\n" + SMUGGLED,
    "a length with an underscore": b"Content-Length: 0_0\r\n\r\n" + SMUGGLED,
    "a space before the colon": b"Content-Length : 44\r\n\r\n" + SMUGGLED,
    "a folded header": b"X-Folded: a\r\n Content-Length: 44\r\n\r\n",
    "a folded coding": b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "a bare carriage return": b"X-A: b\rContent-Length: 44\r\n\r\n",
    "a bare line feed in a name": b"X-A\n: b\r\n\r\n",
    "a NUL in a value": b"X-A: b\0c\r\n\r\n",
    "another coding": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "two codings": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "chunked twice": b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "a coding with a tab": b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "a chunk size of 17 digits": b"Transfer-Encoding: chunked\r\n\r\n10000000000000002\r\n{}\r\n0\r\n\r\n",
    "a chunk size with a sign": b"Transfer-Encoding: chunked\r\n\r\n+2\r\n{}\r\n0\r\n\r\n",
    "a chunk size in the C style": b"Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
    "a chunk that is longer than it says": b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}{}\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("where", ["gateway", "logs", "models", "evaluations"])
@pytest.mark.parametrize("name", CROOKED)
def test_a_crooked_request_is_refused_and_nothing_smuggled_in(urls, where, name):
    """One answer, an error, and the connection closed: whatever follows is no request."""
    paths = {"models": "/api/v1/models", "evaluations": "/api/v1/evaluations/1/cancel"}
    head = f"POST {paths.get(where, JOBS)} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n".encode()
    received = answers_to(urls[where], head + CROOKED[name])
    statuses = [line.split(b" ")[1] for line in received.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
    assert len(statuses) <= 1, received
    assert all(status[:1] in (b"4", b"5") for status in statuses), received
    assert b"smuggled" not in received
    assert requests.get(urls["gateway"] + JOBS, timeout=10).status_code == 200


@pytest.mark.parametrize("where", ["gateway", "logs"])
def test_bare_line_feeds_are_refused_or_read_as_line_ends(urls, where):
    received = answers_to(urls[where], b"GET /api/v1/session HTTP/1.1\nHost: localhost\nConnection: close\n\n", 30)
    assert received.count(b"HTTP/1.1 ") == 1
    assert received.split(b" ")[1] in (b"200", b"400")


def test_only_a_proxy_that_is_named_says_how_a_client_came(start, urls, store_server, tmp_path):
    said = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}
    services = {name: url for name, url in urls.items() if name != "gateway"}
    trusting = start_gateway(start, tmp_path, services, store_server, TRUSTED_PROXIES="127.0.0.0/8 10.0.0.0/8")

    def link(gateway):
        body = {"path": "/api/v1/jobs"}
        return requests.post(f"{gateway}/api/v1/tickets", json=body, headers=said, timeout=10).json()["url"]

    assert link(urls["gateway"]).startswith("http://127.0.0.1:")
    assert link(trusting).startswith("https://127.0.0.1:")


def test_many_at_once_get_their_own_answers(urls):
    """Over kept connections: no answer goes to somebody else."""
    wrong = []

    def ask(number):
        with requests.Session() as session:
            for _ in range(20):
                path = f"{urls['gateway']}/api/v1/nothing/{number}"
                answer = session.get(path, headers={"X-Request-ID": f"id-{number}"}, timeout=30)
                if answer.headers["X-Request-ID"] != f"id-{number}":
                    wrong.append(number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
