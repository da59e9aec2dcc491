"""The kernel as a process of its own: it starts without any service, and ends when told to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from run.readiness import answers
from run.settings import free_port
from run.supervisor import STOP_WITHIN_S
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from tests.kernel.conftest import StandIn


@pytest.fixture
def kernel(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """With the stand-in if the test has `services`, else with nobody there."""
    nobody = "http://127.0.0.1:9"
    url = request.getfixturevalue("services").url if "services" in request.fixturenames else nobody
    port = free_port()
    environ = os.environ | {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "LOGS_URL": url,
        "API_URL": url,
        "KERNEL_PORT": str(port),
        "DATA_DIR": str(tmp_path),
    }
    with subprocess.Popen([sys.executable, "-m", "examples.kernel"], env=environ) as process:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/healthz"))
        yield process
        process.kill()


def test_it_stops_while_nobody_is_there(kernel: subprocess.Popen[bytes]) -> None:
    assert kernel.poll() is None
    kernel.send_signal(signal.SIGINT)
    assert kernel.wait(STOP_WITHIN_S) == 0


def test_it_ends_its_job_when_it_is_stopped(services: StandIn, kernel: subprocess.Popen[bytes]) -> None:
    job_id = services.add_job(epochs=1000)
    wait_until(lambda: services.logs[job_id])
    kernel.terminate()
    assert kernel.wait(STOP_WITHIN_S) == 0
    assert services.jobs[job_id]["status"] == "failed"
    assert services.text(job_id).endswith("[error] The kernel was stopped while it worked on this job")
