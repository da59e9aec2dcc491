"""`tunedeck run` in a terminal: the command has one as well, of the same size, and is typed into."""

import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time

import pytest

from tests.client.run.conftest import DRIVER


class Screen:
    """A terminal with `tunedeck run` in it."""

    def __init__(self, master, process):
        self.master, self.process = master, process
        self.shown = b""

    def type(self, text):
        os.write(self.master, text)

    def wait_for(self, text, within_s=40):
        deadline = time.monotonic() + within_s
        while text not in self.shown:
            assert time.monotonic() < deadline, self.shown
            if select.select([self.master], [], [], 0.2)[0]:
                try:
                    self.shown += os.read(self.master, 65536)
                except OSError:
                    break
        assert text in self.shown, self.shown

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def end(self):
        code = self.process.wait(60)
        while select.select([self.master], [], [], 0.2)[0]:
            try:
                self.shown += os.read(self.master, 65536)
            except OSError:
                break
        return code


@pytest.fixture
def open_screen(environ, logs):
    """Start `tunedeck run` in a terminal of 30 rows and 100 columns; `redirect` is the shell's."""
    screens = []

    def open_screen(*options, program, redirect=""):
        master, slave = pty.openpty()
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        words = [sys.executable, "-c", DRIVER, *options, "--", sys.executable, "-c", program]
        process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" {redirect}', "bash", *words],
            env=environ | {"TUNEDECK_LOGS_URL": logs.url},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)
        screens.append(Screen(master, process))
        return screens[-1]

    yield open_screen
    for screen in screens:
        screen.process.kill()
        screen.process.wait()
        os.close(screen.master)


def test_it_works(open_screen, new_job, show, lines_of):
    job = new_job()
    program = "import os, sys\nprint([os.isatty(n) for n in (0, 1, 2)], os.get_terminal_size())\nprint('two')"
    screen = open_screen("--job", str(job), program=program)
    assert screen.end() == 0
    size = "[True, True, True] os.terminal_size(columns=100, lines=30)"
    told, _, shown = screen.shown.decode().partition("\n")
    assert re.fullmatch(rf"tunedeck-client: this is job {job}: http://127.0.0.1:9/ui/jobs/{job}\r?", told)
    assert shown == f"{size}\r\ntwo\r\n"
    assert lines_of(job) == [("info", size), ("info", "two")]
    assert show(job)["status"] == "completed"


def test_json_goes_where_stdout_goes(open_screen, new_job, tmp_path):
    job, told = new_job(), tmp_path / "told.json"
    screen = open_screen("--job", str(job), "--json", program="print('epoch 1')", redirect=f"> {told}")
    assert screen.end() == 0
    assert screen.shown.endswith(b"epoch 1\r\n")
    assert json.loads(told.read_bytes())["job_id"] == job


def test_a_new_size_is_the_commands(open_screen, new_job):
    program = """
import os, signal, time
seen = []
signal.signal(signal.SIGWINCH, lambda *_: seen.append(os.get_terminal_size().columns))
print("ready", flush=True)
while 77 not in seen:  # a signal just before a read that blocks would wait for the read's end
    time.sleep(0.05)
print("now 77", flush=True)
input()
"""
    screen = open_screen("--job", str(new_job()), program=program)
    screen.wait_for(b"ready")
    screen.resize(40, 77)
    screen.wait_for(b"now 77")
    screen.type(b"\n")
    assert screen.end() == 0


def test_what_is_typed_is_the_commands(open_screen, new_job):
    screen = open_screen("--job", str(new_job()), program="print('hello', input('who? '))")
    screen.wait_for(b"who? ")
    screen.type("Zoë\n".encode())
    screen.wait_for("hello Zoë".encode())
    assert screen.end() == 0


def test_the_end_of_the_input_is_the_commands(open_screen, new_job):
    screen = open_screen("--job", str(new_job()), program="import sys\nprint('ready')\nprint(repr(sys.stdin.read()))")
    screen.wait_for(b"ready")
    screen.type(b"x\n\x04")
    screen.wait_for(b"'x\\n'")
    assert screen.end() == 0


def test_control_c_is_the_commands(open_screen, new_job, show):
    job = new_job()
    screen = open_screen("--job", str(job), program="import time\nprint('ready')\ntime.sleep(60)")
    screen.wait_for(b"ready")
    screen.type(b"\x03")
    assert screen.end() == 130
    assert b"KeyboardInterrupt" in screen.shown
    assert show(job)["error"] == "killed by SIGINT"


def test_the_terminal_is_as_it_was(open_screen, new_job):
    screen = open_screen("--job", str(new_job()), program="print('ready')\ninput()")
    before = termios.tcgetattr(screen.master)
    screen.wait_for(b"ready")
    screen.type(b"\n")
    assert screen.end() == 0
    assert termios.tcgetattr(screen.master) == before


def test_a_bar_is_drawn_and_logged_once(open_screen, new_job, lines_of):
    job = new_job()
    program = "import sys\nfor n in range(101): sys.stderr.write(f'\\r{n}%')\nsys.stderr.write('\\n')\nprint('done')"
    screen = open_screen("--job", str(job), program=program)
    assert screen.end() == 0
    assert b"\r42%\r43%" in screen.shown
    assert lines_of(job) == [("info", "100%"), ("info", "done")]


def test_what_is_redirected_is_no_terminal(open_screen, new_job, lines_of, tmp_path):
    """Standard output goes to a file, the bars on stderr stay bars."""
    job = new_job()
    program = "import os, sys\nprint('out', os.isatty(1))\nprint('err', os.isatty(2), file=sys.stderr)"
    screen = open_screen("--job", str(job), program=program, redirect=f"> {tmp_path}/out")
    assert screen.end() == 0
    assert (tmp_path / "out").read_bytes() == b"out False\n"
    assert screen.shown.endswith(b"\nerr True\r\n")
    assert sorted(lines_of(job)) == [("info", "err True"), ("info", "out False")]


def test_with_all_output_redirected_control_c_still_works(open_screen, new_job, tmp_path, show):
    job = new_job()
    program = "import time\nprint('ready')\ntime.sleep(60)"
    screen = open_screen("--job", str(job), program=program, redirect=f"> {tmp_path}/out 2>&1")
    deadline = time.monotonic() + 40
    while not (tmp_path / "out").exists() or b"ready" not in (tmp_path / "out").read_bytes():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    screen.type(b"\x03")
    assert screen.end() == 130
    assert show(job)["error"] == "killed by SIGINT"


def test_what_is_typed_ahead_is_kept_while_nobody_reads(open_screen, new_job):
    program = "import sys, time\nprint('ready')\ntime.sleep(1)\nprint(len(sys.stdin.readline()), sys.stdin.readline())"
    screen = open_screen("--job", str(new_job()), program=program)
    screen.wait_for(b"ready")
    screen.type(b"x" * 1000 + b"\nsecond\n")
    screen.wait_for(b"1001 second")
    assert screen.end() == 0


def test_a_background_job_leaves_the_terminal_alone(environ, logs, new_job):
    """`tunedeck run … &` of an interactive shell: it must neither stop nor take what is typed."""
    master, slave = pty.openpty()
    shell = subprocess.Popen(
        ["bash", "--norc", "-i"],
        env=environ | {"TUNEDECK_LOGS_URL": logs.url, "PS1": "> "},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(slave)
    screen = Screen(master, shell)
    run = f"{sys.executable} -m tunedeck_client.command run --job {new_job()}"
    screen.type(f"{run} -- sh -c 'sleep 1; echo from the $((1 + 1))nd' &\n".encode())
    screen.type(b"echo typed $((40 + 2))\n")
    screen.wait_for(b"typed 42")
    screen.wait_for(b"from the 2nd")
    screen.type(b"wait %1; echo code $?\n")
    screen.wait_for(b"code 0")
    screen.type(b"exit\n")
    assert shell.wait(20) == 0
    os.close(master)
    assert re.search(rb"Stopped", screen.shown) is None
