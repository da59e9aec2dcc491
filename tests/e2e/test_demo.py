"""`make demo` against a running system, with the standard library alone."""

from __future__ import annotations

import os
import subprocess
import sys

from run.parts import ROOT
from run.settings import free_port
from tests.support.system import System


def run_demo(port: int) -> subprocess.CompletedProcess[str]:
    """Run it where neither curl nor jq is found."""
    return subprocess.run(
        [sys.executable, "-m", "run.demo"],
        cwd=ROOT,
        env=os.environ | {"PORT": str(port), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_it_works(system: System) -> None:
    done = run_demo(system.port)

    assert done.returncode == 0, done.stderr
    assert "with plain Python" in done.stdout
    titles = [line for line in done.stdout.splitlines() if line.startswith("== ")]
    assert [title[3] for title in titles] == list("1234567")
    assert "gguf/model-f16.gguf" in done.stdout
    assert "f1_score" in done.stdout.splitlines()[-1]


def test_it_says_that_nothing_runs() -> None:
    done = run_demo(free_port())

    assert done.returncode == 1
    assert "Is `make run` running?" in done.stderr
