"""The command `tunedeck` in the bare install: `run` works, the rest says what is missing."""

import os
import subprocess
import sys
from pathlib import Path

CLIENT = Path(__file__).resolve().parents[2] / "client"

# As an install without the extra has it: whatever this environment has, typer is not there.
BARE = """
import importlib.util, sys
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "typer" else find_spec(name, *rest)
from tunedeck_client.command import main
sys.exit(main())
"""


def tunedeck(*words, program=BARE):
    command = [sys.executable, "-c", program, *words]
    environ = {**os.environ, "PYTHONPATH": str(CLIENT)}
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=30, check=False)


def test_it_works():
    done = tunedeck("run", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: tunedeck run [options] -- command")
    assert "exit codes" in done.stdout


def test_the_other_commands_say_how_to_get_them():
    for words in (["jobs", "list"], ["--help"], [], ["runs"]):
        done = tunedeck(*words)
        assert (done.returncode, done.stdout) == (2, "")
        assert "pip install 'tunedeck-client[cli]'" in done.stderr


def test_the_module_stays_tunedeck_log():
    done = subprocess.run(
        [sys.executable, "-m", "tunedeck_client", "--help"],
        env={**os.environ, "PYTHONPATH": str(CLIENT)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stdout.startswith("usage: tunedeck-log")
