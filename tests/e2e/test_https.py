"""`make run` for a team: HTTPS by a name and a certificate, tokens, and nothing but the gateway for others to reach."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import requests

from run.parts import ROOT
from run.token_file import add_token
from tests.e2e.test_system import listeners
from tests.support.processes import descendants
from tests.support.system import start_system
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    """On an address of loopback that is no other part's; its authority is its own, which Caddy makes."""
    folder = tmp_path_factory.mktemp("https") / "data"
    token = add_token(folder / "tokens.toml", "alice", ["read", "write"], None)
    authority = folder / "gateway/caddy/pki/authorities/local/root.crt"
    started = start_system(folder, GATEWAY_SITE="https://localhost", HOST="127.0.0.1", SSL_CERT_FILE=str(authority))
    started.token, started.authority = token, authority
    with started:
        yield started


@pytest.fixture(scope="module")
def environ(system):
    """Whose clients trust the authority, and have the token."""
    names = {"SSL_CERT_FILE": str(system.authority), "TUNEDECK_TOKEN": system.token, "TUNEDECK_URL": system.url}
    return os.environ | names | {"PYTHONPATH": str(ROOT / "client")}


def test_it_works(system, environ):
    """The workflow, in which the kernel and the worker ask the gateway, too."""
    site = {"PORT": str(system.port), "GATEWAY_SITE": "https://localhost", "PATH": ""}
    command = [sys.executable, "-m", "run.demo"]
    done = subprocess.run(
        command, cwd=ROOT, env=environ | site, capture_output=True, text=True, timeout=150, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "accuracy" in done.stdout
    links = [link for link in system.get("/models/1").json()["download_links"].values() if link]
    assert links
    for link in links:
        assert link.startswith(f"{system.url}/")
        assert requests.get(link, verify=str(system.authority), timeout=30).status_code == 200


def test_the_console_has_a_cookie_for_https_alone(system):
    login = system.request("POST", "/session", json={"token": system.token})
    assert login.status_code == 200
    assert "; Secure" in login.headers["Set-Cookie"]
    assert login.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_the_command_line_trusts_the_authority(system, environ, tmp_path):
    state = {"XDG_STATE_HOME": str(tmp_path / "state"), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    command = [sys.executable, "-m", "tunedeck_client.command", "run", "--name", "by https", "--", "echo", "hello"]
    done = subprocess.run(command, env=environ | state, capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "hello\n", "")
    (job,) = system.get("/jobs?q=by https").json()["data"]
    assert job["status"] == "completed"


def test_whoever_does_not_trust_it_or_asks_in_the_clear_gets_nothing(system):
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(f"{system.url}/api/v1/jobs", timeout=10, verify=os.environ.get("SSL_CERT_FILE") or True)
    answer = requests.get(f"http://localhost:{system.port}/api/v1/jobs", timeout=10)
    assert (answer.status_code, "Client sent an HTTP request" in answer.text) == (400, True)


@pytest.mark.parametrize(
    "site", ["tunedeck.example", "https://tunedeck.example:443", "https://a/b", "https://a https://b"]
)
def test_it_rejects_what_is_no_site(tmp_path, site):
    started = start_system(tmp_path / "data", GATEWAY_SITE=site)
    assert started.process.wait(60) == 1
    assert started.printed.startswith("error: GATEWAY_SITE=")


def test_only_the_gateway_is_where_host_says(tmp_path):
    """The example kernel's server asks for no token."""
    started = start_system(tmp_path / "data", HOST="127.0.0.2", EVALUATION_WORKER="0")
    started.site = "http://127.0.0.2"
    try:
        wait_until(lambda: "ready: http" in started.printed, 90)
        assert started.get("/jobs").status_code == 200
        found = {pid: listening(pid) for pid in descendants(started.process.pid)}
    finally:
        started.stop()
    assert [addresses for addresses in found.values() if "127.0.0.2" in addresses] == [{"127.0.0.2"}]


def listening(pid):
    """Return the addresses of IPv4 on which a process listens."""
    return {".".join(str(byte) for byte in reversed(bytes.fromhex(one))) for one in listeners(pid) if len(one) == 8}
