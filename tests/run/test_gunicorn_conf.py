"""gunicorn.conf.py: where the workers count, and that nothing of it stays in the temporary folder."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from run.parts import ROOT
from run.readiness import answers
from run.settings import free_port
from tests.support.waiting import wait_until

APP = """
import os
class App:
    config = {}
    def __call__(self, environ, start_response):
        if environ["PATH_INFO"] == "/fails":
            raise RuntimeError("told to")
        start_response("200 OK", [])
        return [os.environ["PROMETHEUS_MULTIPROC_DIR"].encode()]
app = App()
"""
Serve = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


@pytest.fixture
def serve(tmp_path: Path, temporary: Path) -> Iterator[Serve]:
    """Start gunicorn with a small app; what still runs at the end is killed."""
    (tmp_path / "app.py").write_text(APP)
    started = []

    def start(**environ: str) -> subprocess.Popen[bytes]:
        port = int(environ.get("PORT", "0")) or free_port()
        with (tmp_path / "stderr.log").open("ab") as log:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "gunicorn",
                    "-c",
                    str(ROOT / "gunicorn.conf.py"),
                    "--graceful-timeout",
                    "1",
                    "app:app",
                ],
                cwd=tmp_path,
                env=os.environ
                | {
                    "TMPDIR": str(temporary),
                    "PORT": str(port),
                    "PYTHONPATH": str(ROOT),
                    "GUNICORN_CMD_ARGS": "",
                    **environ,
                },
                stderr=log,
                start_new_session=True,
            )
        started.append(process)
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/"))
        return process

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_it_works(serve: Serve, temporary: Path) -> None:
    process = serve()
    assert [folder.name[:17] for folder in temporary.iterdir()] == ["tunedeck-metrics-"]

    process.terminate()

    assert process.wait(60) == 0
    assert list(temporary.iterdir()) == []


def test_a_master_that_is_killed_leaves_nothing(serve: Serve, temporary: Path) -> None:
    serve().kill()

    wait_until(lambda: not list(temporary.iterdir()))


def test_what_is_left_of_a_master_killed_with_its_workers_goes_at_the_next_start(serve: Serve, temporary: Path) -> None:
    process, running = serve(), serve()
    in_use = set(temporary.iterdir())
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for folder in in_use:
        os.utime(folder, (0, 0))

    serve()

    assert len(in_use & set(temporary.iterdir())) == 1
    assert running.poll() is None
    assert len(list(temporary.iterdir())) == 2


def test_a_folder_that_the_environment_names_is_kept_and_emptied_of_counts(
    serve: Serve, temporary: Path, tmp_path: Path
) -> None:
    metrics = tmp_path / "data" / "metrics"
    metrics.mkdir(parents=True)
    (metrics / "counter_1.db").touch()
    (metrics / "notes.txt").touch()

    process = serve(PROMETHEUS_MULTIPROC_DIR=str(metrics))

    assert list(temporary.iterdir()) == []
    process.terminate()
    assert process.wait(60) == 0
    assert [path.name for path in metrics.iterdir()] == ["notes.txt"]


def test_what_it_quotes_of_a_request_has_no_secret(serve: Serve, tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "stderr.log"
    serve(PORT=str(port))
    requests = (
        "GET /fails?ticket=SECRET HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /?X-Amz-Signature=SECRET&a=SECRET HTTP/1.1 \r\nHost: localhost\r\n\r\n",
        "GET / HTTP/1.1\r\nAuthorization : Bearer SECRET\r\n\r\n",
        "GET / HTTP/1.1\r\nAuthorization: Bearer\tSECRET\0\r\n\r\n",
        "GET / HTTP/1.1\r\nCookie : tunedeck-80=SECRET; tunedeck-81=SECRET\r\n\r\n",
        "GET / HTTP/1.1\r\nX : td_SECRET tj_SECRET.SECRET-x ts_SECRET\r\n\r\n",
    )
    for number, request in enumerate(requests, start=1):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            client.sendall(request.encode())
            client.settimeout(10)
            while client.recv(4096):
                if number == 2:  # read as it is: a space too many is no error
                    break

    printed = wait_until(lambda: "RuntimeError" in (text := log.read_text()) and text)
    assert "Error handling request" in printed
    assert "Invalid request" in printed
    assert "SECRET" not in printed
    assert all(json.loads(line)["process"] == "service" for line in printed.splitlines())
