"""The whole system as `make run` starts it, in a folder and on ports of its own."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import requests

from run.parts import ROOT
from run.settings import free_port
from tests.support.measured_session import with_greenlets
from tests.support.processes import command_line, descendants

READY_WITHIN_S = 180
STOP_WITHIN_S = 60


@dataclass
class System:
    """A running `make run`; ``url`` is the gateway's."""

    process: subprocess.Popen[bytes]
    data_dir: Path
    port: int
    logs_port: int
    out: Path
    token: str | None = None
    """Sent with each request."""
    site: str = "http://localhost"
    authority: Path | None = None
    """The certificate of whoever vouches for the gateway."""

    @property
    def url(self) -> str:
        return f"{self.site}:{self.port}"

    @property
    def printed(self) -> str:
        return self.out.read_text()

    @property
    def addresses(self) -> dict[str, object]:
        addresses: dict[str, object] = json.loads((self.data_dir / "run.json").read_text())
        return addresses

    def request(self, method: str, path: str, **kwargs: object) -> requests.Response:
        if self.token is not None:
            kwargs.setdefault("headers", {"Authorization": f"Bearer {self.token}"})
        if self.authority is not None:
            kwargs.setdefault("verify", str(self.authority))
        return requests.request(method, f"{self.url}/api/v1{path}", timeout=30, **kwargs)  # type: ignore[arg-type]

    def get(self, path: str, **kwargs: object) -> requests.Response:
        return self.request("GET", path, **kwargs)

    def processes(self, words: str) -> list[int]:
        """Return the pids of the system's processes whose command line has ``words``."""
        return [pid for pid in descendants(self.process.pid) if words in command_line(pid)]

    def stop_worker(self) -> None:
        """Stop the evaluations worker (SIGSTOP), but never within a transaction, where it would hold SQLite's lock."""
        with closing(sqlite3.connect(self.data_dir / "evaluations.db", timeout=0.05, isolation_level=None)) as database:
            while True:
                self._signal_worker(signal.SIGSTOP)
                try:
                    database.execute("BEGIN IMMEDIATE").execute("ROLLBACK")
                except sqlite3.OperationalError:
                    self.resume_worker()
                else:
                    return

    def resume_worker(self) -> None:
        self._signal_worker(signal.SIGCONT)

    def _signal_worker(self, number: signal.Signals) -> None:
        for pid in self.processes("services.evaluations.worker"):
            os.kill(pid, number)

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        while f"ready: {self.url}" not in self.printed:
            assert self.process.poll() is None, self.printed
            assert time.monotonic() < deadline, self.printed
            time.sleep(0.1)

    def __enter__(self) -> Self:
        """Wait until it is ready; after the block it is stopped, unless it has ended."""
        try:
            self.wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        if self.process.poll() is None:
            self.stop()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_WITHIN_S)


def start_system(data_dir: Path, **environ: str) -> System:
    port, logs_port = free_port(), free_port()
    out = data_dir.parent / f"{data_dir.name}-{port}.out"
    settings = {"DATA_DIR": str(data_dir), "PORT": str(port), "LOGS_PORT": str(logs_port), **environ}
    variables = os.environ | with_greenlets() | settings
    with out.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "run"], cwd=ROOT, env=variables, stdout=log, stderr=subprocess.STDOUT
        )
    return System(process, data_dir, port, logs_port, out, site=environ.get("GATEWAY_SITE", System.site))
