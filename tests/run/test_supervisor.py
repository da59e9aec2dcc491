"""The supervisor of `make run`, with small parts that behave badly."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from run.readiness import refusal
from run.settings import free_port
from tests.support.processes import is_alive
from tests.support.waiting import wait_until

SERVER = """
import http.server, sys
http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


class Supervised:
    """A Python process that runs a Supervisor over parts written as source text."""

    def __init__(self, folder: Path, parts: str, ready_within_s: float = 60) -> None:
        self.folder = folder
        source = textwrap.dedent(f"""
            import asyncio, sys
            from pathlib import Path
            from run.parts import Part
            from run.supervisor import PartFailed, Supervisor
            PY, SERVER = sys.executable, {SERVER!r}
            def server(name, port, *needs):
                return Part(name, [PY, '-c', SERVER, str(port)], {{}}, needs, f'http://127.0.0.1:{{port}}/')
            try:
                asyncio.run(Supervisor({parts}, Path({str(folder)!r}), {ready_within_s}).run('all ready'))
            except PartFailed as error:
                sys.exit(f'error: {{error}}')
        """)
        self.out = folder / "out.txt"
        with self.out.open("wb") as out:
            self.process = subprocess.Popen([sys.executable, "-c", source], stdout=out, stderr=subprocess.STDOUT)

    def wait_for(self, text: str) -> None:
        wait_until(lambda: text in self.out.read_text(), 60)

    def children(self) -> list[int]:
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]


def test_it_starts_parts_in_the_order_of_their_needs_and_stops_them_all(tmp_path):
    one, two = free_port(), free_port()
    parts = f"[server('second', {two}, 'step'), server('first', {one}), Part('step', [PY, '-c', ''], {{}}, ('first',))]"
    system = Supervised(tmp_path, parts)
    system.wait_for("all ready")
    children = system.children()

    system.process.send_signal(signal.SIGTERM)

    assert system.process.wait(60) == 0
    assert system.out.read_text().splitlines() == ["first is ready", "second is ready", "all ready"]
    assert len(children) == 2
    assert not any(is_alive(pid) for pid in children)


def test_it_names_and_restarts_a_part_that_dies(tmp_path):
    system = Supervised(tmp_path, f"[server('web', {free_port()})]")
    system.wait_for("all ready")
    (first,) = system.children()

    os.kill(first, signal.SIGKILL)
    system.wait_for("web died (SIGKILL), starting it again\nweb is ready")
    (second,) = system.children()

    assert second != first
    system.process.send_signal(signal.SIGINT)
    assert system.process.wait(60) == 0


def test_it_gives_up_on_a_part_that_never_becomes_ready(tmp_path):
    parts = f"[server('good', {free_port()}), Part('bad', [PY, '-c', 'raise SystemExit(\"no luck\")'], {{}})]"
    system = Supervised(tmp_path, parts)

    assert system.process.wait(30) == 1
    text = system.out.read_text()
    assert text.count(f"bad did not become ready (exit code 1): no luck (see {tmp_path / 'bad.log'})\n") == 5
    assert "error: bad failed to start 5 times: no luck" in text
    assert system.process.poll() == 1


def test_it_tells_the_setting_that_is_wrong_whatever_else_the_part_printed(tmp_path):
    program = """
import json
print("error: of an earlier line")
print(json.dumps({"event": "error: REDIS_URL: must begin with redis://", "level": "error"}))
print(json.dumps({"event": "Worker failed to boot.", "level": "error"}))
print("Traceback (most recent call last):", [1], 2, "[" * 20_000, sep="\\n")
raise SystemExit(3)
"""
    (tmp_path / "bad.log").write_text("error: of the run before\n")
    system = Supervised(tmp_path, f"[Part('bad', [PY, '-c', {program!r}], {{}})]")

    system.wait_for("bad did not become ready (exit code 3): REDIS_URL: must begin with redis:// (see")
    assert system.process.wait(30) == 1
    assert "error: bad failed to start 5 times: REDIS_URL: must begin with redis://\n" in system.out.read_text()


REFUSES = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503)
        self.end_headers()
        self.wfile.write(sys.argv[2].encode())
    def log_message(self, *words):
        pass
http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ('{"database": "ok", "store": "Unavailable: it is away"}', "store: Unavailable: it is away"),
        ('["database"]', "it printed nothing"),
        ("[" * 20_000, "it printed nothing"),
        ("starting", "it printed nothing"),
    ],
)
def test_it_tells_what_a_service_waits_for(tmp_path, answer, reason):
    port = free_port()
    part = f"Part('web', [PY, '-c', {REFUSES!r}, '{port}', {answer!r}], {{}}, (), 'http://127.0.0.1:{port}/')"
    system = Supervised(tmp_path, f"[{part}]", ready_within_s=2)

    system.wait_for(f"web did not become ready (SIGTERM): {reason} (see {tmp_path / 'web.log'})")
    system.process.send_signal(signal.SIGINT)
    assert system.process.wait(60) == 0


def test_a_part_that_ends_is_not_spoken_for_by_who_has_its_port(tmp_path, children):
    port = free_port()
    children.append(subprocess.Popen([sys.executable, "-c", REFUSES, str(port), '{"store": "of somebody else"}']))
    wait_until(lambda: refusal(f"http://127.0.0.1:{port}/") == "store: of somebody else")
    part = f"Part('web', [PY, '-c', 'raise SystemExit(\"in use\")'], {{}}, (), 'http://127.0.0.1:{port}/')"
    system = Supervised(tmp_path, f"[{part}]")

    assert system.process.wait(60) == 1
    assert system.out.read_text().count("web did not become ready (exit code 1): in use (see") == 5


def test_it_kills_a_part_that_ignores_sigterm_and_what_it_started(tmp_path):
    port = free_port()
    stubborn = (
        "import signal,socket,subprocess,sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "
        f"print(child.pid, flush=True); listener = socket.create_server(('127.0.0.1', {port})); signal.pause()"
    )
    ready = f"tcp://127.0.0.1:{port}"
    system = Supervised(tmp_path, f"[Part('stubborn', [PY, '-c', {stubborn!r}], {{}}, (), {ready!r})]")
    system.wait_for("all ready")
    (child,) = system.children()
    grandchild = int((tmp_path / "stubborn.log").read_text())

    system.process.send_signal(signal.SIGTERM)

    assert system.process.wait(60) == 0
    assert not is_alive(child)
    assert not is_alive(grandchild)


def test_its_parts_die_with_it_even_when_it_is_killed(tmp_path):
    system = Supervised(tmp_path, f"[server('web', {free_port()})]")
    system.wait_for("all ready")
    (child,) = system.children()

    system.process.kill()
    system.process.wait()

    wait_until(lambda: not is_alive(child))
