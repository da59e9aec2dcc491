"""What starts with a missing or wrong setting: one line that names the variable, and a status other than 0"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from run.parts import ROOT
from run.settings import free_port

GOOD = {
    "DATABASE_URL": "sqlite:////nowhere/at/all.db",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "S3_ENDPOINT": "http://127.0.0.1:1",
    **dict.fromkeys(["S3_REGION", "S3_ACCESS_KEY", "S3_SECRET_KEY", "S3_PARTS_ACCESS_KEY", "S3_PARTS_SECRET_KEY"], "x"),
    **dict.fromkeys(["GATEWAY_URL", "LOGS_URL", "MODELS_URL", "INFERENCE_URL"], "http://127.0.0.1:1/v1"),
}
CHECKSUMS = ["services.models.checksums"]
WORKER = ["services.evaluations.worker"]
KERNEL = ["examples.kernel"]


def start(arguments: list[str], folder: Path, environ: dict[str, str | None]) -> subprocess.CompletedProcess[str]:
    """Run a module until it ends, with settings that are good but for ``environ``; None leaves one out."""
    wanted = {name: value for name, value in {**GOOD, **environ}.items() if value is not None}
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    paths = os.pathsep.join((str(ROOT), str(ROOT / "client")))
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env=kept | {"PYTHONPATH": paths, "TMPDIR": str(folder)} | wanted,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("module", "environ", "problem"),
    [
        (CHECKSUMS, {"S3_ENDPOINT": None}, "S3_ENDPOINT is not set"),
        (CHECKSUMS, {"DATABASE_URL": "mysql://u:secret@h/d"}, "DATABASE_URL: must be sqlite:///path or postgresql://"),
        (CHECKSUMS, {"CHECKSUM_MIB_PER_S": "0"}, "CHECKSUM_MIB_PER_S='0': must be at least 1"),
        (WORKER, {"INFERENCE_URL": None}, "INFERENCE_URL is not set"),
        (WORKER, {"REDIS_URL": "secret"}, "REDIS_URL: must begin with redis://"),
        (WORKER, {"AUTH_SECRET": "secret"}, "AUTH_SECRET must have at least 32 bytes"),
        (WORKER, {"METRICS_PORT": "65536"}, "METRICS_PORT='65536': must be at most 65535"),
        (["services.logs.setup"], {"DATABASE_URL": None}, "DATABASE_URL is not set"),
        (["services.models.setup"], {"DATABASE_URL": "secret"}, "DATABASE_URL: must be sqlite"),
        (["run"], {"REDIS_URL": "secret"}, "REDIS_URL: must begin with redis://"),
        (["run"], {"S3_ENDPOINT": "secret"}, "S3_ENDPOINT: must begin with http://"),
        (["run.demo"], {"PORT": "x"}, "PORT='x': must be a whole number"),
        (KERNEL, {"KERNEL_PORT": "x"}, "KERNEL_PORT must be a number"),
    ],
)
def test_a_process_ends_with_one_line_that_names_the_variable(tmp_path, module, environ, problem):
    ended = start(module, tmp_path, environ)

    assert ended.returncode == 1
    assert ended.stderr.startswith(f"error: {problem}")
    assert len(ended.stderr.splitlines()) == 1
    assert "secret" not in ended.stderr


def test_a_process_names_a_port_that_another_one_has(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = str(taken.getsockname()[1])
        ended = start(CHECKSUMS, tmp_path, {"METRICS_PORT": number})

    assert ended.returncode == 1
    assert ended.stderr.startswith(f"error: METRICS_PORT={number} on METRICS_HOST=127.0.0.1: ")


@pytest.mark.parametrize(
    ("service", "environ", "problem"),
    [
        ("logs", {"DATABASE_URL": None}, "DATABASE_URL is not set"),
        ("logs", {"REDIS_URL": "secret"}, "REDIS_URL: must begin with redis://"),
        ("models", {"S3_ENDPOINT": "secret"}, "S3_ENDPOINT: must begin with http://"),
        ("evaluations", {"TOKENS_FILE": "/nowhere"}, "TOKENS_FILE needs AUTH_SECRET"),
    ],
)
def test_a_service_ends_with_a_line_that_names_the_variable(tmp_path, service, environ, problem):
    app = f"services.{service}.app:create_app()"
    gunicorn = ["gunicorn", "-c", str(ROOT / "gunicorn.conf.py"), app]
    ended = start(gunicorn, tmp_path, {"PORT": str(free_port()), "WEB_CONCURRENCY": "1", **environ})

    assert ended.returncode not in (0, 1)  # 1 is that of a worker, which the master would start again
    said = [json.loads(line) for line in ended.stderr.splitlines()]
    assert [each["event"] for each in said if problem in each["event"]] == [said[0]["event"]]
    assert all("exception" not in each for each in said)
    assert "secret" not in ended.stderr


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        ({}, "PORT is not set"),
        ({"PORT": "x"}, "PORT='x': must be a whole number"),
        ({"PORT": "8001", "WEB_CONCURRENCY": "0"}, "WEB_CONCURRENCY='0': must be at least 1"),
    ],
)
def test_gunicorn_ends_with_one_line_that_names_the_variable(tmp_path, environ, problem):
    ended = start(["gunicorn", "-c", str(ROOT / "gunicorn.conf.py"), "app:app"], tmp_path, environ)

    assert (ended.returncode, ended.stderr) == (1, f"error: {problem}\n")
