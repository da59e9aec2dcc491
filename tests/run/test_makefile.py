"""The Makefile's help and its installing, without a network."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from run.parts import ROOT

MAKEFILE = ROOT / "Makefile"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with the Makefile, and this Python where `make` looks for its own."""
    shutil.copy(MAKEFILE, tmp_path)
    (tmp_path / "requirements").mkdir()
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return tmp_path


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_make_alone_lists_every_target(clone: Path) -> None:
    (targets,) = re.findall(r"^\.PHONY: (.*)$", MAKEFILE.read_text(), re.MULTILINE)

    done = make(clone)

    assert done.returncode == 0, done.stderr
    listed = re.findall(r"^  ([a-z-]+) +\S", done.stdout, re.MULTILINE)
    assert listed == targets.split()


def test_an_install_that_fails_says_what_it_did_and_why(clone: Path) -> None:
    (clone / "requirements" / "run.txt").write_text("flask==3.1.2\n")

    done = make(clone, "run")

    assert done.returncode == 2
    assert "requirements/run.txt" in done.stdout
    assert "about a minute" in done.stdout
    assert "ERROR: Hashes are required" in done.stderr
    assert not (clone / ".venv" / "run.stamp").exists()
