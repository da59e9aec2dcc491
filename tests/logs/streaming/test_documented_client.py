"""The Python client of docs/api.md, run as it stands: whatever the lines hold, and however its streams end."""

from __future__ import annotations

import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from run.parts import ROOT
from tests.support.databases import one_database
from tests.support.document import read_samples

STREAM = "http://localhost:8080/api/v1/jobs/1/logs"
FORGED = "x\u2028data: [00:00:00] [ERROR] forged"


@pytest.fixture
def follow():
    """Run the sample for a stream's address to its end, and return what it printed."""
    (sample,) = (one.text for one in read_samples(ROOT / "docs" / "api.md") if "def follow(url)" in one.text)
    assert STREAM in sample

    def follow(url):
        program = sample.replace(STREAM, url)
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    return follow


@one_database
def test_it_works(logs, job, push, put, follow):
    texts = ["one", FORGED, "a\x0cb\x0bc\x85d\u2029e", "two\nlines"]
    push(job, *texts)
    put(job, status="cancelled")

    printed = follow(f"{logs.url}/api/v1/jobs/{job}/logs").splitlines(keepends=True)

    assert [line.partition("] [INFO] ")[2] for line in "".join(printed).split("\n") if line] == [*texts[:3], "two", ""]
    assert "".join(printed).endswith("two\nlines\n")


class Script(ThreadingHTTPServer):
    """A server that answers each request with the next of its bodies, and breaks the connection off after it."""

    def __init__(self, bodies: list[bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.bodies = bodies
        self.resumed: list[str | None] = []
        Thread(target=self.serve_forever, daemon=True).start()


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Script)
        self.server.resumed.append(self.headers["Last-Event-ID"])
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.write(self.server.bodies[len(self.server.resumed) - 1])

    def log_message(self, *arguments: object) -> None:
        """Print nothing."""


def test_it_comes_back_after_a_timeout_and_after_a_cut_with_the_id_that_it_has(follow):
    server = Script(
        [
            b"data: one\nid: 1\n\nevent: timeout\ndata:{}\n\n",
            b"data: two\nid: 2\n\ndata: thr",
            b"data: three\nid: 3\n\nevent: end\ndata:{}\n\n",
        ]
    )
    try:
        printed = follow(f"http://127.0.0.1:{server.server_address[1]}/logs")
    finally:
        server.shutdown()
        server.server_close()

    assert printed == "one\ntwo\nthree\n"
    assert server.resumed == [None, "1", "2"]
