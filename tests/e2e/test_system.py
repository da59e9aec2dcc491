"""`make run` as a whole: what it listens on, what it keeps, what it survives."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from tests.support.processes import GONE, command_line, descendants, is_alive
from tests.support.system import start_system
from tests.support.waiting import wait_until


def listeners(pid: int) -> set[str]:
    """Return the addresses on which a process listens, from the kernel's own tables."""
    inodes, found = set(), set()
    with suppress(*GONE):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                target = os.readlink(descriptor)
                if target.startswith("socket:["):
                    inodes.add(target[8:-1])
        for table in ("tcp", "tcp6"):
            for row in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
                columns = row.split()
                if columns[3] == "0A" and columns[9] in inodes:
                    found.add(columns[1].rpartition(":")[0])
    return found


LOOPBACK = {"0100007F", "00000000000000000000000001000000"}


def test_every_process_listens_on_loopback_alone(system):
    addresses = {pid: listeners(pid) for pid in descendants(system.process.pid)}

    assert sum(bool(found) for found in addresses.values()) >= 6
    strangers = {command_line(pid): found - LOOPBACK for pid, found in addresses.items() if found - LOOPBACK}
    assert strangers == {}


def test_each_part_has_the_open_files_that_the_machine_allows(system):
    limits = []
    for pid in descendants(system.process.pid):
        with suppress(*GONE):
            limits += [line for line in Path(f"/proc/{pid}/limits").read_text().splitlines() if "open files" in line]
    assert len(limits) >= 6
    for row in limits:
        soft, hard = row.split()[3:5]
        assert soft == hard


@pytest.mark.parametrize("words", ["services.logs.app", "caddy", "valkey", "services.models.app", "weed"])
def test_a_part_that_is_killed_comes_back(system, words):
    victim, *workers = system.processes(words)
    begin = len(system.printed)
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: "died (SIGKILL), starting it again" in system.printed[begin:])

    def answers():
        with suppress(requests.RequestException):  # a worker ends by itself, also in the middle of an answer
            paths = ("models", "jobs")
            return {requests.get(f"{system.url}/api/v1/{path}", timeout=20).status_code for path in paths} == {200}

    wait_until(lambda: answers() and not any(map(is_alive, workers)), 60)


def test_a_second_run_finds_everything_again(tmp_path):
    data_dir = tmp_path / "data"
    first = start_system(data_dir, EXAMPLE_KERNEL="0", EVALUATION_WORKER="0")
    first.wait_until_ready()
    job = first.request("POST", "/jobs", json={"dataset_id": 5}).json()
    first.request("POST", f"/jobs/{job['ID']}/logs", json={"message": "kept"})
    job = first.get(f"/jobs/{job['ID']}").json()
    model = first.request("POST", "/models", json={"name": "kept", "base_model": "b"}).json()
    first.request("PUT", f"/models/{model['ID']}/files/weights.bin", data=b"w" * 6_000_000)
    assert first.stop() == 0

    second = start_system(data_dir, EXAMPLE_KERNEL="0", EVALUATION_WORKER="0")
    second.wait_until_ready()
    try:
        assert second.get(f"/jobs/{job['ID']}").json() == job
        assert second.get(f"/jobs/{job['ID']}/logs?limit=1").json()["logs"][0]["message"] == "kept"
        ready = second.request("PUT", f"/models/{model['ID']}", json={"status": "ready"}).json()
        assert ready["total_size"] == 6_000_000
        assert b"w" * 6_000_000 in second.get(f"/models/{model['ID']}/download").content
    finally:
        assert second.stop() == 0


def test_a_taken_port_is_named_at_once(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        refused = start_system(tmp_path / "data", PORT=str(port))

        assert refused.process.wait(60) == 1
    assert f"error: PORT={port} is taken on 127.0.0.1" in refused.printed


def test_a_second_run_over_the_same_data_is_refused(system):
    refused = start_system(system.data_dir)

    assert refused.process.wait(60) == 1
    assert f"another `make run` uses DATA_DIR={system.data_dir}" in refused.printed


def test_a_bad_setting_is_named(tmp_path):
    refused = start_system(tmp_path / "data", LOGS_PORT="many")

    assert refused.process.wait(60) == 1
    assert "error: LOGS_PORT='many': must be a whole number" in refused.printed


def test_a_file_comes_in_parts_through_the_gateway(system):
    """The parts go from the client to the store, and nothing else of the store can be had that way."""
    content = os.urandom(20 * 2**20)
    model = system.request("POST", "/models", json={"name": "parts", "base_model": "b"}).json()["ID"]
    upload = system.request("POST", f"/models/{model}/uploads", json={"path": "a b/é.bin", "size": len(content)}).json()
    sent = []
    for part in upload["parts"]:
        assert part["url"].startswith(f"{system.url}/models/{model}/a%20b/")
        assert requests.get(part["url"], timeout=30).status_code == 403
        copied = requests.put(part["url"], headers={"x-amz-copy-source": f"/models/{model}/x"}, timeout=30)
        assert copied.status_code == 404
        start = (part["number"] - 1) * upload["part_size"]
        answer = requests.put(part["url"], data=content[start : start + upload["part_size"]], timeout=30)
        sent.append({"number": part["number"], "etag": answer.headers["ETag"]})
    path = f"/models/{model}/uploads/{upload['upload_id']}"
    done = system.request("POST", f"{path}/complete", json={"parts": sent})
    assert (done.status_code, done.json()["size"]) == (200, len(content))
    assert requests.put(upload["parts"][0]["url"], data=b"late", timeout=30).status_code == 404
    (file,) = system.get(f"/models/{model}/files").json()["data"]
    assert requests.get(file["url"], timeout=30).content == content
