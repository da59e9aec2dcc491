"""The disk of a running system fills up: writes are refused in so many words, reads go on, and nothing is corrupt."""

import os
import subprocess
import uuid

import pytest
import requests

from tests.support.system import start_system
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a disk")]

DISK_MIB = 300
CONTENT = os.urandom(3 * 2**20)


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    """A disk of its own, in memory."""
    folder = tmp_path_factory.mktemp("disk")
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture(scope="module")
def system(disk):
    started = start_system(disk / "data", EXAMPLE_KERNEL="0", EVALUATION_WORKER="0")
    started.wait_until_ready()
    yield started
    started.stop()


@pytest.fixture
def filled(disk):
    """Fill the disk to its last byte until the test says so."""
    path = disk / "filler"

    def fill():
        with path.open("ab", buffering=0) as file:
            for size in (2**20, 2**12, 1):
                try:
                    while file.write(b"x" * size):
                        pass
                except OSError:
                    continue

    yield fill, path.unlink
    path.unlink(missing_ok=True)


def test_it_works(system, filled):
    fill, free = filled
    job = system.request("POST", "/jobs", json={"dataset_id": 1}).json()["ID"]
    model = system.request("POST", "/models", json={"name": "m", "base_model": "b"}).json()["ID"]
    assert system.request("PUT", f"/models/{model}/files/a", data=CONTENT).status_code == 200
    assert system.request("PUT", f"/models/{model}", json={"status": "ready"}).status_code == 200
    other = system.request("POST", "/models", json={"name": "n", "base_model": "b"}).json()["ID"]
    stored = []

    def push():
        text = uuid.uuid4().hex * 500
        answer = system.request("POST", f"/jobs/{job}/logs", json={"message": text})
        stored.extend([text] if answer.status_code == 201 else [])
        return answer

    for _ in range(20):
        push()
    fill()

    def refuses(send):
        answer = send()
        if answer.status_code < 400:
            fill()  # there was room in what was held already
            return False
        assert answer.status_code in (503, 507), answer.text
        assert "Retry-After" in answer.headers
        return True

    wait_until(lambda: refuses(push))
    wait_until(lambda: refuses(lambda: system.request("PUT", f"/models/{other}/files/b", data=CONTENT)))
    wait_until(lambda: refuses(lambda: system.request("POST", "/models", json={"name": "x" * 200, "base_model": "b"})))
    check(system, job, model, stored)
    free()

    wait_until(lambda: push().status_code == 201)
    wait_until(lambda: system.request("PUT", f"/models/{other}/files/b", data=CONTENT).status_code == 200, 60)
    assert system.request("PUT", f"/models/{other}", json={"status": "ready"}).json()["total_size"] == len(CONTENT)
    check(system, job, model, stored)
    check(system, job, other, stored)


def check(system, job, model, stored):
    """Everything that was acknowledged is there, and nothing else."""
    page = system.get(f"/jobs/{job}/logs?limit=1000").json()
    assert [line["message"] for line in page["logs"]] == stored
    assert [line["ID"] for line in page["logs"]] == list(range(1, len(stored) + 1))
    assert CONTENT in system.get(f"/models/{model}/download").content
    (file,) = system.get(f"/models/{model}/files").json()["data"]
    assert requests.get(file["url"], timeout=30).content == CONTENT
