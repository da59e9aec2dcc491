"""The whole system with tokens on: the workflow by each token that it needs, and no secret in any log."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest
import requests

from run.parts import ROOT
from run.token_file import add_token
from shared.auth.tokens import LOOK_EVERY_S
from tests.support.processes import is_alive
from tests.support.system import start_system
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    folder = tmp_path_factory.mktemp("system") / "data"
    token = add_token(folder / "tokens.toml", "alice", ["read", "write"], None)
    started = start_system(folder)
    started.token = token
    with started:
        yield started


@pytest.fixture(scope="module")
def demo(system):
    """`make demo`, with the standard library alone."""
    environ = {"PATH": "/nonexistent", "PORT": str(system.port), "TUNEDECK_TOKEN": system.token}
    return subprocess.run(
        [sys.executable, "-m", "run.demo"],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


def test_it_works(system, demo):
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "accuracy" in demo.stdout
    assert system.token not in demo.stdout
    results = wait_until(lambda: system.get("/models/1").json()["model"]["eval_results"])
    assert results["accuracy"] > 0
    assert system.get("/models/1").json()["model"]["job"]["ID"] == 1


def test_the_kernel_worked_by_the_token_of_its_job(system, demo):
    job = system.get("/jobs/1").json()
    assert (job["status"], job["kernel"]) == ("completed", "example")
    assert re.search(r"^example +kernel,read ", make_token(system), re.MULTILINE)


def make_token(system, *arguments):
    """Do what `make token` does, and return what it has printed."""
    command = [sys.executable, "-m", "run.token", *arguments]
    environ = {**os.environ, "DATA_DIR": str(system.data_dir)}
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=True).stdout


def test_whoever_has_no_token_gets_nothing(system, demo):
    for path in ("/jobs", "/jobs/1/logs", "/models", "/models/1", "/models/1/download", "/evaluations", "/datasets"):
        answer = requests.get(f"{system.url}/api/v1{path}", timeout=10)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    for name in ("logs", "models", "evaluations"):
        assert requests.get(f"{system.addresses[name]}/api/v1/models", timeout=10).status_code in (401, 404)


TRAINING = """
import os
os.makedirs("out")
open("out/adapter_model.safetensors", "w").write("weights")
print("loss 0.5", os.environ["TUNEDECK_JOB"])
"""


@pytest.mark.parametrize("whose", ["user", "job", "kernel"])
def test_a_run_of_the_command_line_works_by_a_token(system, tmp_path, whose):
    """A user's, that of the job alone, or one made by `make token SCOPES=kernel`, which has its name in it."""
    job, name = system.request("POST", "/jobs", json={"dataset_id": 404}).json()["ID"], f"machine of a {whose}"
    token = system.token
    if whose == "job":
        token = system.request("POST", f"/jobs/{job}/token").json()["token"]
    elif whose == "kernel":
        name, token = "gpu-1", make_token(system, "NAME=gpu-1", "SCOPES=kernel").split()[0]
        time.sleep(LOOK_EVERY_S + 0.1)  # until each process looks at the file anew
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TUNEDECK")}
    environ |= {"PYTHONPATH": str(ROOT / "client"), "TUNEDECK_URL": system.url, "TUNEDECK_TOKEN": token}
    environ |= {"XDG_STATE_HOME": str(tmp_path / "state"), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    options = ["--job", str(job), "--kernel", name, "--upload", "out", "--base-model", "b"]
    command = [sys.executable, "-m", "tunedeck_client.command", "run", *options, "--", sys.executable, "-c", TRAINING]

    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=100, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    record = system.get(f"/jobs/{job}").json()
    assert (record["status"], record["kernel"]) == ("completed", name)
    assert [model["status"] for model in system.get(f"/models?job_id={job}").json()["data"]] == ["ready"]
    logs = system.get(f"/jobs/{job}/logs?limit=100").text
    assert f"loss 0.5 {job}" in logs
    assert token not in logs + done.stdout + done.stderr


def test_no_log_has_a_secret(system, demo):
    """Also of clients that hang up in the middle, and of what failed."""
    secrets = {"token": system.token, "kernel": (system.data_dir / "kernel-token").read_text()}
    secrets["secret"] = (system.data_dir / "auth-secret").read_text()
    secrets["job"] = system.request("POST", "/jobs/1/token").json()["token"]
    ticket = system.request("POST", "/tickets", json={"path": "/api/v1/models/1/download"}).json()["url"]
    secrets["ticket"] = ticket.partition("ticket=")[2]
    links = system.get("/models/1").json()["download_links"]
    secrets["signature"] = re.search(r"X-Amz-Signature=(\w+)", links["gguf"])[1]
    login = requests.post(f"{system.url}/api/v1/session", json={"token": system.token}, timeout=10)
    secrets["cookie"] = next(iter(login.cookies.values()))
    stream = f"/api/v1/jobs/1/logs?ticket={secrets['ticket']}"
    for path in (ticket.removeprefix(system.url), links["gguf"].removeprefix(system.url), stream):
        hang_up(system.port, path, secrets)
        hang_up(system.port, path.replace("=", "=%", 1), secrets)
    hang_up(system.port, "/models/nothing?" + links["gguf"].partition("?")[2], secrets)
    stop_a_service_below(system, ticket, secrets)

    logs = {file.name: file.read_text(errors="replace") for file in (system.data_dir / "logs").iterdir()}
    assert {"gateway.log", "logs.log", "models.log", "evaluations.log", "kernel.log"} <= set(logs)
    assert "evaluation-worker.log" in logs
    logs |= {"out": system.printed}
    for name in ("logs", "models", "evaluations"):
        logs[f"{name}'s metrics"] = metrics_at(system.addresses[name])
    for name in ("checksums", "worker"):
        port = system.addresses["ports"][f"{name}_metrics"]
        logs[f"{name}'s metrics"] = metrics_at(f"http://127.0.0.1:{port}")
    for name, text in logs.items():
        for kind, secret in secrets.items():
            assert secret not in text, f"{name} has the {kind}"
            assert secret[-20:] not in text, f"{name} has the end of the {kind}"
    assert "incomplete" in logs["gateway.log"] or "retry" in logs["gateway.log"] or "error" in logs["gateway.log"]


def metrics_at(address):
    return requests.get(f"{address}/metrics", timeout=10).text


def hang_up(port, path, secrets):
    """Ask, and be gone before the answer, and in its middle."""
    head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {secrets['job']}\r\n"
    head += f"Cookie: tunedeck-{port}={secrets['cookie']}\r\n\r\n"
    for read in (0, 100):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.sendall(head.encode())
            if read:
                client.recv(read)


def stop_a_service_below(system, ticket, secrets):
    """Kill a service while it is asked: the gateway has an error to tell of."""
    master, *workers = system.processes("services.models.app")
    os.kill(master, signal.SIGKILL)
    headers = {"Authorization": f"Bearer {system.token}", "Cookie": f"tunedeck-{system.port}={secrets['cookie']}"}

    def answers():
        with contextlib.suppress(requests.RequestException):  # a worker ends by itself, also in the middle of an answer
            return requests.get(ticket, headers=headers, timeout=60).status_code == 200

    wait_until(lambda: answers() and not any(map(is_alive, workers)), 60)
