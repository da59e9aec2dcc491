"""`tunedeck run` as a process, with its patience cut short."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CLIENT = Path(__file__).resolve().parents[3] / "client"

DRIVER = """
import os, sys, time
from tunedeck_client.models.upload import upload_model
from tunedeck_client.run.main import main
def broken(*arguments, **options):
    raise RuntimeError("the store is full")
def hangs(*arguments, **options):
    print("uploading", file=sys.stderr, flush=True)
    time.sleep(600)
exec(os.environ.get("PREFACE", ""))
upload = {"broken": broken, "hangs": hangs}.get(os.environ.get("UPLOAD"), upload_model)
grace_s = float(os.environ.get("GRACE_S", "20"))
end_timeout_s = float(os.environ.get("END_TIMEOUT_S", "20"))
sys.exit(main(sys.argv[1:], upload=upload, grace_s=grace_s, beat_every_s=0.1, end_timeout_s=end_timeout_s))
"""


class Run:
    """A started `tunedeck run`."""

    def __init__(self, process):
        self.process = process

    @property
    def pid(self):
        return self.process.pid

    def signal(self, number):
        self.process.send_signal(number)

    def end(self, text=b"", timeout=120):
        """Wait for its end: its exit code, what it has printed, and what it has said of itself."""
        out, err = self.process.communicate(text, timeout=timeout)
        return self.process.returncode, out, err


@pytest.fixture
def environ(tmp_path):
    ours = {"PYTHONPATH": str(CLIENT), "TUNEDECK_URL": "http://127.0.0.1:9", "XDG_STATE_HOME": str(tmp_path / "state")}
    ours["XDG_CONFIG_HOME"] = str(tmp_path / "config")
    drop = ("PYTHONUNBUFFERED", "TUNEDECK_TOKEN", "TUNEDECK_LOGS_URL", "LOGS_URL", "MLFLOW_TRACKING_URI")
    return {name: value for name, value in os.environ.items() if name not in drop} | ours


@pytest.fixture
def start_run(logs, environ, children):
    """Start `tunedeck run` around a command, or around a Python program."""

    def start(*options, command=None, program=None, url=None, stdin=subprocess.PIPE, **settings):
        if program is not None:
            command = [sys.executable, "-c", program]
        words = [*options, *(["--", *command] if command is not None else [])]
        variables = environ | {"TUNEDECK_LOGS_URL": url or logs.url} | settings
        process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, *words],
            env=variables,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        children.append(process)
        return Run(process)

    return start


@pytest.fixture
def show(logs):
    """Return a job's record."""

    def show(job):
        return logs.get(f"/api/v1/jobs/{job}").json()

    return show


@pytest.fixture
def lines_of(logs):
    """Return a job's lines as (level, message)."""

    def lines_of(job):
        lines = logs.get(f"/api/v1/jobs/{job}/logs?limit=1000").json()["logs"]
        return [(line["level"], line["message"]) for line in lines]

    return lines_of


@pytest.fixture
def newest_job(logs):
    """Return the record of the job that was created last under a name; an empty one where there is none."""

    def newest_job(name):
        return next(iter(logs.get(f"/api/v1/jobs?q={name}").json()["data"]), {})

    return newest_job
