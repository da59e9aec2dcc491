"""The command as a process, against the whole system in which one job was run."""

import json
import os
import pty
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.client.models.conftest import CLIENT, write_tree
from tests.support.waiting import wait_until

COMMAND = [sys.executable, "-c", "import sys; from tunedeck_client.cli import main; sys.exit(main(sys.argv[1:]))"]


@dataclass
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        assert self.code == 0, self.err
        return json.loads(self.out)


class Tunedeck:
    """Runs `tunedeck` with the files that it keeps in a folder of the test's."""

    def __init__(self, url, home, server, children):
        self.home = home
        self.server = server
        bare = {name: value for name, value in os.environ.items() if not name.startswith("TUNEDECK_")}
        kept = {"XDG_STATE_HOME": str(home / "state"), "XDG_CONFIG_HOME": str(home / "config")}
        self.environ = {**bare, **kept, "PYTHONPATH": str(CLIENT), "TUNEDECK_URL": url, "PYTHONWARNINGS": "default"}
        self.children = children

    def __call__(self, *arguments, code=0, input="", **environ):
        paths = [self.home / f"command-{name}" for name in ("input", "output", "errors")]
        paths[0].write_text(input)
        with paths[0].open() as read, paths[1].open("w") as out, paths[2].open("w") as err:
            request = {"arguments": [str(each) for each in arguments], "environ": self._environ(environ)}
            descriptors = [read.fileno(), out.fileno(), err.fileno()]
            socket.send_fds(self.server, [json.dumps(request).encode()], descriptors)
        done = Done(int(self.server.recv(100)), *(path.read_text() for path in paths[1:]))
        assert code is None or done.code == code, done
        assert "Traceback" not in done.err
        return done

    def _environ(self, given):
        """The environment with what is given; a variable that is None is left out."""
        return {name: value for name, value in {**self.environ, **given}.items() if value is not None}

    def start(self, *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **environ):
        """Start a command by itself, to be read while it runs, or to be killed."""
        process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            env=self._environ(environ),
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=stderr,
            text=True,
        )
        self.children.append(process)
        return process

    def on_terminal(self, *arguments, **environ):
        """Run a command whose stdout and stderr are a terminal, and return what it printed."""
        controller, terminal = pty.openpty()
        process = self.start(*arguments, stdout=terminal, stderr=terminal, TERM="xterm-256color", **environ)
        os.close(terminal)
        found = []

        def read():
            try:
                while data := os.read(controller, 65536):
                    found.append(data)
            except OSError:
                pass  # the other end is closed

        reader = threading.Thread(target=read)
        reader.start()
        process.wait(120)
        reader.join()
        os.close(controller)
        return b"".join(found).decode()


@pytest.fixture(scope="session")
def command_server():
    """A socket to the process that forks commands."""
    ours, theirs = socket.socketpair()
    ours.settimeout(60)
    environ = {**os.environ, "PYTHONPATH": str(CLIENT)}
    with theirs:
        process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("command_server.py")], stdin=theirs, env=environ
        )
    with ours:
        yield ours
    assert process.wait(10) == 0


@pytest.fixture
def tunedeck(system, tmp_path, command_server, children):
    return Tunedeck(system.url, tmp_path, command_server, children)


@pytest.fixture
def elsewhere(tmp_path, command_server, children):
    """The command without a system."""
    return Tunedeck("http://127.0.0.1:1", tmp_path, command_server, children)


@pytest.fixture(scope="session")
def trained(system):
    """The model of a job that the example kernel ran."""
    job = system.request("POST", "/jobs", json={"dataset_id": 1, "configuration": {"epochs": 1}}).json()
    found = wait_until(lambda: system.get(f"/models?job_id={job['ID']}&status=ready").json()["data"], 60)
    return found[0]


@pytest.fixture
def new_job(system):
    """Make a running job of no kernel's, with lines."""

    def make(*messages, **fields):
        job = system.request("POST", "/jobs", json={"dataset_id": 900, **fields}).json()["ID"]
        system.request("PUT", f"/jobs/{job}", json={"status": "running", "kernel": "test"})
        lines = [line if isinstance(line, dict) else {"message": line} for line in messages]
        for start in range(0, len(lines), 5000):
            answer = system.request("POST", f"/jobs/{job}/logs", json={"logs": lines[start : start + 5000]})
            assert answer.status_code == 201, answer.text
        return job

    return make


@pytest.fixture
def end_job(system):
    def end(job, status="completed", **told):
        body = {"status": status, "kernel": "test", **told}
        assert system.request("PUT", f"/jobs/{job}", json=body).status_code == 200

    return end


@pytest.fixture
def folder(tmp_path):
    """An adapter as PEFT leaves it."""
    config = json.dumps({"base_model_name_or_path": "llama-3.2-3b"}).encode()
    write_tree(tmp_path / "adapter", {"adapter_config.json": config, "adapter_model.safetensors": b"weights"})
    return tmp_path / "adapter"
