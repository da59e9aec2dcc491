"""Every client that people read our streams with sees the same transcript: each line once, with its number."""

from __future__ import annotations

import http.server
import json
import os
import re
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from run import parts
from run.settings import free_port

NODE_MODULES = Path(__file__).parents[2] / "node_modules"

MESSAGES = [
    "plain",
    "",
    " leading and trailing ",
    "two\nlines",
    "carriage\rreturn",
    "windows\r\nend",
    "empty line inside\n\nid: 99\nevent: end\ndata: forged",
    "unicode é 漢字 🙂 \u2028 \u2029 \u0085 \ufeff",
    "control \x0b \x0c \x1c \x7f",
    ": a comment?",
    "data: nested",
    "x" * 200_000,
]
EXPECTED = [re.sub(r"\r\n|\r", "\n", message) for message in MESSAGES]


@pytest.fixture(scope="module")
def origin():
    return f"http://127.0.0.1:{free_port()}"


@pytest.fixture(scope="module")
def stream(start, serve, new_database, redis_url, tmp_path_factory, origin):
    """The URL, through the gateway, of a finished job's log."""
    logs = serve("logs", DATABASE_URL=new_database("sqlite"), REDIS_URL=redis_url)
    job = logs.post("/api/v1/jobs", json={"dataset_id": 1}).json()["ID"]
    for message in MESSAGES:
        assert logs.post(f"/api/v1/jobs/{job}/logs", json={"message": message}).status_code == 201
    logs.put(f"/api/v1/jobs/{job}", json={"status": "running", "kernel": "k"})
    logs.put(f"/api/v1/jobs/{job}", json={"status": "completed"})
    port, nobody = free_port(), "127.0.0.1:9"
    environ = dict.fromkeys(("MODELS_UPSTREAM", "EVALUATIONS_UPSTREAM", "S3_UPSTREAM"), nobody)
    environ |= {"LOGS_UPSTREAM": logs.url.removeprefix("http://"), "CORS_ORIGINS": origin}
    start(
        parts.caddy(os.environ.get("CADDY_BIN"), tmp_path_factory.mktemp("gateway"), ["127.0.0.1"], port, environ, ())
    )
    return f"http://127.0.0.1:{port}/api/v1/jobs/{job}/logs"


def check(transcript: list[list[str]]) -> None:
    """Compare [id, data] of each event with what was pushed; the data carries the clock and the level in front."""
    assert [number for number, _ in transcript] == [str(n) for n in range(1, len(MESSAGES) + 1)]
    texts = [re.sub(r"^\[\d\d:\d\d:\d\d\] \[INFO\] ", "", data) for _, data in transcript]
    assert texts == EXPECTED


def run_node(script: str) -> list[list[str]]:
    file = NODE_MODULES / "tunedeck-transcript.mjs"
    file.write_text(script)
    done = subprocess.run(["node", str(file)], capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr.decode()
    transcript: list[list[str]] = json.loads(done.stdout)
    return transcript


def test_npm_eventsource(stream):
    check(
        run_node(f"""
            import {{ EventSource }} from 'eventsource';
            const seen = [];
            const source = new EventSource('{stream}');
            source.onmessage = (event) => seen.push([event.lastEventId, event.data]);
            source.addEventListener('end', () => {{
                source.close();
                process.stdout.write(JSON.stringify(seen), () => process.exit(0));
            }});
        """)
    )


def test_npm_eventsource_resumes_by_itself(stream):
    """It stops for good at 204: nothing comes twice, and it does not come back for ever."""
    assert run_node(f"""
            import {{ EventSource }} from 'eventsource';
            const seen = [];
            const source = new EventSource('{stream}?last_event_id=11');
            source.onmessage = (event) => seen.push([event.lastEventId]);
            const closed = setInterval(() => {{
                if (source.readyState !== 2) return;
                clearInterval(closed);
                process.stdout.write(JSON.stringify(seen), () => process.exit(0));
            }}, 50);
        """) == [["12"]]


def test_microsoft_fetch_event_source(stream):
    check(
        run_node(f"""
            globalThis.document = {{ hidden: false, addEventListener() {{}}, removeEventListener() {{}} }};
            globalThis.window = globalThis;
            const {{ fetchEventSource }} = await import('@microsoft/fetch-event-source');
            const seen = [];
            const done = new AbortController();
            await fetchEventSource('{stream}', {{
                signal: done.signal,
                onmessage(event) {{
                    if (event.event === 'end') done.abort();
                    else seen.push([event.id, event.data]);
                }},
            }});
            process.stdout.write(JSON.stringify(seen));
        """)
    )


def test_curl(stream):
    done = subprocess.run(["curl", "-sN", stream], capture_output=True, timeout=120, check=True)
    transcript = []
    for event in done.stdout.decode().split("\n\n"):
        rows = event.split("\n")
        numbers = [row.removeprefix("id: ") for row in rows if row.startswith("id: ")]
        if numbers:
            data = [row.removeprefix("data: ") for row in rows if row.startswith("data: ")]
            transcript.append([numbers[0], "\n".join(data)])
    check(transcript)


PAGE = """<!doctype html><script>
const seen = [];
const source = new EventSource('STREAM');
source.onmessage = (event) => seen.push([event.lastEventId, event.data]);
source.addEventListener('end', () => {
    source.close();
    fetch('/transcript', { method: 'POST', body: JSON.stringify(seen) });
});
</script>"""


def test_chromium(stream, origin, tmp_path):
    transcripts = []
    arrived = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(PAGE.replace("STREAM", stream).encode())

        def do_POST(self):
            transcripts.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()
            arrived.set()

        def log_message(self, *args):
            pass

    host, _, port = origin.removeprefix("http://").partition(":")
    browser = shutil.which("chromium") or "chromium"
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
    flags += ["--disable-background-networking", "--disable-component-update", f"--user-data-dir={tmp_path}"]
    with http.server.ThreadingHTTPServer((host, int(port)), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        process = subprocess.Popen(
            [browser, *flags, "--remote-debugging-port=0", origin], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            assert arrived.wait(120)
        finally:
            process.terminate()
            process.wait(60)
            server.shutdown()
    check(transcripts[0])
