"""The logs service, a double of it that misbehaves, what stands between them and a client, and processes of clients."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tunedeck_client import JobLogHandler

from run import settings
from tests.support.fake_api import FakeApi
from tests.support.logs_double import LogsDouble
from tests.support.pipe import Pipe
from tests.support.waiting import wait_until

CLIENT = Path(__file__).resolve().parents[2] / "client"

PREFACE = """
import logging, os, sys, time
from pathlib import Path
from tunedeck_client import JobLogHandler
url, spool = sys.argv[1:]

def wait_for_disk(records):
    while sum(file.read_bytes().count(b"\\n") for file in Path(spool).glob("job-7/*/*.ndjson")) < records:
        time.sleep(0.01)

handler = JobLogHandler(7, url=url, spool_dir=spool, backoff=0.02)
log = logging.getLogger("training")
log.setLevel(logging.DEBUG)
log.addHandler(handler)
"""


@pytest.fixture
def service():
    service = LogsDouble()
    yield service
    service.close()


@pytest.fixture(scope="session")
def logs(serve, new_database, redis_url):
    """The real logs service."""
    return serve("logs", DATABASE_URL=new_database("sqlite"), REDIS_URL=redis_url)


@pytest.fixture
def new_job(logs):
    """Create a job there and return its number."""

    def new_job(**fields):
        answer = logs.post("/api/v1/jobs", json=fields)
        assert answer.status_code == 201, answer.text
        return answer.json()["ID"]

    return new_job


@pytest.fixture
def start_service():
    """Start a service on a port, later than its client."""
    started = []

    def start(port):
        started.append(LogsDouble(port))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def free_port():
    return settings.free_port()


@pytest.fixture
def pipe(system):
    """A forwarder to the gateway, whose links then lead through it, too."""
    made = Pipe(f"127.0.0.1:{system.port}")
    made.url = f"http://127.0.0.1:{made.port}"
    yield made
    made.cut()


@pytest.fixture
def fake_api():
    made = FakeApi()
    yield made
    made.close()


@pytest.fixture
def make_log(tmp_path):
    """A logger with a handler for job 7, that retries soon and gives up soon at its end."""
    handlers = []

    def make(url, **options):
        settings = {"spool_dir": tmp_path / "spool", "backoff": 0.02, "exit_timeout": 0.05}
        handler = JobLogHandler(7, url=url, **settings | options)
        log = logging.Logger(f"training-{len(handlers)}")
        log.addHandler(handler)
        handlers.append(handler)
        return log, handler

    yield make
    for handler in handlers:
        handler.close()


@pytest.fixture
def log_in_one_batch(service, make_log, tmp_path):
    """Log a first line, and others while its request waits for its answer: those are one batch; the handler."""

    def log_in_one_batch(messages):
        log, handler = make_log(service.url)
        with service.holding_back():
            log.info("first")
            assert service.wait_for(lambda s: s.requests)
            for message in messages:
                log.info("%s", message)
            files = (tmp_path / "spool" / "job-7").glob
            wait_until(lambda: sum(file.read_bytes().count(b"\n") for file in files("*/*")) == 1 + len(messages))
        return handler

    return log_in_one_batch


def _environment():
    return {**os.environ, "PYTHONPATH": str(CLIENT), "PYTHONWARNINGS": "default"}


@pytest.fixture
def run_python(tmp_path):
    """Run a program that logs to job 7 by `log`, with `handler`; the finished process."""

    def run(program, url, *, spool=None, check=True, preface=PREFACE, environ=None, **options):
        done = subprocess.run(
            [sys.executable, "-c", preface + program, url, str(spool or tmp_path / "spool")],
            env=_environment() | (environ or {}),
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
            **options,
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    return run


@pytest.fixture
def start_python(tmp_path, children):
    """Start such a program; the running process."""

    def start(program, url, *, spool=None):
        process = subprocess.Popen(
            [sys.executable, "-c", PREFACE + program, url, str(spool or tmp_path / "spool")],
            env=_environment(),
            stdout=subprocess.PIPE,
            text=True,
        )
        children.append(process)
        return process

    return start


@pytest.fixture
def start_pipe(tmp_path, children):
    """Start `tunedeck-log`; the running process with binary pipes."""

    def start(url, *arguments, command=("-m", "tunedeck_client")):
        process = subprocess.Popen(
            [sys.executable, *command, "--job", "7", "--spool-dir", str(tmp_path / "spool")] + list(arguments),
            env={**_environment(), "LOGS_URL": url},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        children.append(process)
        return process

    return start
