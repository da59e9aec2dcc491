"""The Host header: a page on a name of its own that resolves to us is not answered."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import pytest

from shared.auth.hosts import allowed_names, is_allowed
from shared.auth.settings import AuthSettings

SERVICES = ("logs", "models", "evaluations")


def status(guarded, where, host, path="/api/v1/session"):
    address = urlsplit(guarded.urls[where])
    with socket.create_connection((address.hostname, address.port), timeout=10) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        return int(client.recv(4096).split()[1])


@pytest.mark.parametrize(
    "host",
    *[
        [
            "localhost",
            "localhost:1",
            "LOCALHOST",
            "127.0.0.1",
            "[::1]:8080",
            "10.1.2.3:80",
            "app.localhost",
            "localhost.",
        ]
    ],
)
def test_it_works(guarded, host):
    assert status(guarded, "logs", host) == 200
    assert status(guarded, "gateway", host) == 200


@pytest.mark.parametrize("where", [*SERVICES, "gateway"])
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example"]
)
def test_it_rejects_another_name_before_it_asks_for_a_token(guarded, where, host):
    assert status(guarded, where, host, "/api/v1/jobs" if where == "gateway" else "/openapi.json") == 421
    if where != "gateway":
        assert status(guarded, where, host, "/healthz") == 200
        assert status(guarded, where, host, "/readyz") == 200


def test_names_of_the_settings_pass(guarded):
    assert status(guarded, "logs", "tunedeck.example") == 200
    settings = AuthSettings(public_url="https://Public.example/x", logs_url="http://logs:8000", host="machine")
    names = allowed_names(settings)
    for host in ("public.example", "PUBLIC.example:443", "logs:8000", "machine", ""):
        assert is_allowed(host, names), host
    for host in ("models:8000", "user@logs", "x.public.example", "[::1", "logs\x00"):
        assert not is_allowed(host, names), host
    assert is_allowed("anything.example", allowed_names(AuthSettings(allowed_hosts="*")))
