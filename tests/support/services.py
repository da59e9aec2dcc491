"""Starts parts of the system, services among them, as `make run` does: each waited for, all ended in the end."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from run import parts
from run.parts import Part
from run.readiness import answers
from run.settings import free_port
from shared.database.connect import connection, open_database
from shared.database.migrations import migrate
from shared.database.sqlite import SqliteDatabase
from shared.s3.bucket import Bucket
from shared.s3.client import S3Settings, connect
from shared.settings import load
from tests.support.measured_session import with_greenlets
from tests.support.waiting import wait_until

START_WITHIN_S = 60
END_WITHIN_S = 1


@dataclass
class Running:
    """A started part; ``log`` is what it has printed."""

    part: Part
    process: subprocess.Popen[bytes]
    log_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the part and all that it started."""
        os.killpg(self.process.pid, number)

    def stop(self) -> int:
        """End it as `make run` does, and return its exit code."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        finally:
            self.kill()

    def end(self) -> None:
        """End it, by itself within a moment if it can: what is killed leaves no figures for `make coverage`."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(END_WITHIN_S)
        self.kill()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.signal(signal.SIGKILL)
        self.process.wait()
        for path in self.part.leaves:
            path.unlink(missing_ok=True)

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.log
        return self.part.ready_url == "alive:" or answers(self.part.ready_url or "")


Start = Callable[[Part], Running]


@contextlib.contextmanager
def started_parts(folder: Path) -> Iterator[Start]:
    """Give what starts a part and waits until it is ready; after the block all are ended, the last one first."""
    running: list[Running] = []

    def start(part: Part) -> Running:
        log_file = folder / f"{len(running)}-{part.name.replace(' ', '-')}.log"
        with log_file.open("wb") as log:
            process = subprocess.Popen(
                part.command,
                cwd=parts.ROOT,
                env=os.environ | with_greenlets() | part.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        started = Running(part, process, log_file)
        running.append(started)
        if part.ready_url is None:
            assert process.wait(START_WITHIN_S) == 0, started.log
        else:
            wait_until(started.is_ready, START_WITHIN_S)
        return started

    yield start
    # All at once, so that a moment is enough for all.
    for started in running:
        if started.process.poll() is None:
            started.signal(signal.SIGTERM)
    time.sleep(END_WITHIN_S)
    for started in reversed(running):
        started.kill()


def start_service(
    start: Start, name: str, environ: Mapping[str, str], app: str | None = None, *, port: int | None = None
) -> tuple[str, Running]:
    """Set up and start a service, or ``app``, a module with a ``create_app`` of the tests' own; its URL and process."""
    set_up(name, environ)
    port = port or free_port()
    part = parts.gunicorn(name, dict(environ), port, ())
    if app is not None:
        part = replace(part, command=[*part.command[:-1], f"{app}:create_app()"])
    return f"http://127.0.0.1:{port}", start(part)


_BUCKETS = {"models": "models", "evaluations": "datasets"}


def set_up(name: str, environ: Mapping[str, str]) -> None:
    """Do what the service's setup does, here: a process for each would take a tenth of all tests' time."""
    database = open_database(environ["DATABASE_URL"])
    migrate(database, import_module(f"services.{name}.tables").MIGRATIONS)
    if name == "models":
        _number_models(database)
    database.close_all()
    if name in _BUCKETS:
        Bucket(connect(load(S3Settings, environ)), _BUCKETS[name]).create()


_last_numbers = itertools.count(1_000, 1_000)


def _number_models(database: Any) -> None:
    """Let a new database give its models numbers that no other's have: in one bucket, their objects lie below them."""
    with connection(database):
        if database.execute_sql("SELECT COUNT(*) FROM model").fetchone()[0] > 0:
            return
        if isinstance(database, SqliteDatabase):
            database.execute_sql("INSERT INTO sqlite_sequence (name, seq) VALUES ('model', ?)", (next(_last_numbers),))
        else:
            database.execute_sql("SELECT setval(pg_get_serial_sequence('model', 'id'), %s)", (next(_last_numbers),))


def environ_of(settings: S3Settings) -> dict[str, str]:
    """The variables that a process is given its settings by."""
    return {name.upper(): value for name, value in vars(settings).items()}
