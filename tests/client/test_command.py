"""The command `tunedeck` in the bare install: `run` works, the rest says what is missing."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

CLIENT = Path(__file__).resolve().parents[2] / "client"

# As an install without the extra has it: whatever this environment has, click is not there.
BARE = """
import importlib.util, sys
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "click" else find_spec(name, *rest)
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


def test_the_other_commands_are_those_of_the_extra():
    done = tunedeck("jobs", "--help", program="import sys; from tunedeck_client.command import main; sys.exit(main())")
    assert done.returncode == 0, done.stderr
    assert "create" in done.stdout


def test_a_run_needs_posix_and_the_rest_does_not():
    windows = BARE.replace("sys.exit(main())", "sys.platform = 'win32'\nsys.exit(main())")
    done = tunedeck("run", "--", "true", program=windows)
    assert (done.returncode, done.stdout) == (2, "")
    assert "needs a POSIX system" in done.stderr


def test_control_c_before_the_command_has_begun():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        words = ["run", "--logs-url", f"http://127.0.0.1:{silent.getsockname()[1]}", "--", "true"]
        environ = {**os.environ, "PYTHONPATH": str(CLIENT)}
        process = subprocess.Popen([sys.executable, "-c", BARE, *words], env=environ, stderr=subprocess.PIPE)
        connection, _ = silent.accept()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        connection.close()
    assert (process.returncode, err) == (130, b"")


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
