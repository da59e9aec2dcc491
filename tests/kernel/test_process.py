"""The kernel as a process of its own: it starts without any service, and ends when told to."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import urllib3

from run.supervisor import STOP_WITHIN_S

if TYPE_CHECKING:
    from tests.kernel.conftest import StandIn


@pytest.fixture
def kernel(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """With the stand-in if the test has `services`, else with nobody there."""
    nobody = "http://127.0.0.1:9"
    url = request.getfixturevalue("services").url if "services" in request.fixturenames else nobody
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environ = os.environ | {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "LOGS_URL": url,
        "API_URL": url,
        "KERNEL_PORT": str(port),
        "DATA_DIR": str(tmp_path),
    }
    with subprocess.Popen([sys.executable, "-m", "examples.kernel"], env=environ) as process:
        for _ in range(100):
            try:
                urllib3.request("GET", f"http://127.0.0.1:{port}/healthz", retries=False)
                break
            except urllib3.exceptions.HTTPError:
                time.sleep(0.05)
        yield process
        process.kill()


def test_it_stops_while_nobody_is_there(kernel: subprocess.Popen[bytes]) -> None:
    assert kernel.poll() is None
    kernel.send_signal(signal.SIGINT)
    assert kernel.wait(STOP_WITHIN_S) == 0


def test_it_ends_its_job_when_it_is_stopped(services: StandIn, kernel: subprocess.Popen[bytes]) -> None:
    job_id = services.add_job(epochs=1000)
    for _ in range(100):
        if services.logs[job_id]:
            break
        time.sleep(0.05)
    kernel.terminate()
    assert kernel.wait(STOP_WITHIN_S) == 0
    assert services.jobs[job_id]["status"] == "failed"
    assert services.text(job_id).endswith("[error] The kernel was stopped while it worked on this job")
