"""The console as the gateway serves it: its addresses, its headers, its files."""

from __future__ import annotations

import os
import re
import socket

import pytest
import requests

from run import parts
from run.parts import ROOT
from run.settings import free_port, gateway_hosts

CONSOLE = ROOT / "gateway" / "console"
FILES = sorted(str(path.relative_to(CONSOLE)) for path in CONSOLE.rglob("*") if path.is_file())
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html"}


@pytest.fixture(scope="module")
def url(start, tmp_path_factory):
    """A gateway whose services are away: the console's files need none."""
    port, nobody = free_port(), f"127.0.0.1:{free_port()}"
    environ = {f"{name}_UPSTREAM": nobody for name in ("LOGS", "MODELS", "EVALUATIONS")}
    environ |= {"S3_UPSTREAM": f"http://{nobody}", "UPSTREAM_PATIENCE": "300ms"}
    folder = tmp_path_factory.mktemp("gateway")
    start(parts.caddy(os.environ.get("CADDY_BIN"), folder, gateway_hosts(None), port, environ, ()))
    return f"http://localhost:{port}"


def get(address, **headers):
    return requests.get(address, headers=headers, timeout=10, allow_redirects=False)


def test_it_works(url):
    start_page = requests.get(f"{url}/", timeout=10)

    assert start_page.url == f"{url}/ui/jobs"
    assert start_page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert 'src="/ui/main.js"' in start_page.text


@pytest.mark.parametrize("path", ["/", "/ui", "/ui/"])
def test_the_start_redirects_to_the_jobs(url, path):
    answer = get(url + path)

    assert (answer.status_code, answer.headers["Location"]) == (302, "/ui/jobs")


@pytest.mark.parametrize("path", ["jobs/7", "models", "evaluations/3?winner=tie", "jobs/", "no/such/page", "pages/"])
def test_an_address_without_a_file_is_the_console(url, path):
    answer = get(f"{url}/ui/{path}")

    assert answer.status_code == 200
    assert answer.content == (CONSOLE / "index.html").read_bytes()


@pytest.mark.parametrize("file", FILES)
def test_every_file_is_served_with_its_type(url, file):
    answer = get(f"{url}/ui/{file}")

    assert answer.content == (CONSOLE / file).read_bytes()
    assert answer.headers["Content-Type"].startswith(TYPES[os.path.splitext(file)[1]])


@pytest.mark.parametrize("path", ["/", "/ui/jobs", "/ui/main.js", "/ui/console.css", "/ui/no-such.js"])
def test_every_answer_has_the_policy_and_no_other_server_may_frame_or_sniff_it(url, path):
    headers = get(url + path).headers

    assert headers["Content-Security-Policy"] == POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "Server" not in headers


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_a_module_is_asked_for_again_and_answered_by_its_etag(url, encoding):
    first = get(f"{url}/ui/main.js", **{"Accept-Encoding": encoding})
    again = get(f"{url}/ui/main.js", **{"Accept-Encoding": encoding, "If-None-Match": first.headers["ETag"]})

    assert first.headers["Cache-Control"] == "no-cache"
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_files_are_compressed(url, encoding):
    answer = requests.get(f"{url}/ui/console.css", headers={"Accept-Encoding": encoding}, timeout=10, stream=True)

    assert answer.headers["Content-Encoding"] == encoding
    assert len(answer.raw.read()) < (CONSOLE / "console.css").stat().st_size / 2


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_it_rejects_other_methods(url, method):
    answer = requests.request(method, f"{url}/ui/jobs", timeout=10)

    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, HEAD"
    assert answer.json()["message"] == "The console is read with GET."


@pytest.mark.parametrize("path", ["/ui/../Caddyfile", "/ui/%2e%2e/Caddyfile", "/ui/..%2fCaddyfile"])
def test_nothing_outside_of_the_folder_is_served(url, path):
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:  # a client would tidy the path
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))

    assert b"reverse_proxy" not in answer


def test_the_api_is_not_part_of_it(url):
    assert get(f"{url}/uix").status_code == 404
    assert "Content-Security-Policy" not in get(f"{url}/api/v1/jobs").headers


@pytest.mark.parametrize("file", [file for file in FILES if file.endswith((".js", ".html", ".css"))])
def test_no_file_names_another_host(file):
    text = (CONSOLE / file).read_text().replace("http://www.w3.org/2000/svg", "")

    assert not re.search(r"""(src|href|from|import|url)\W{0,3}(https?:)?//""", text)
