"""Folders as trainers leave them, and processes that upload one."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.pipe import Pipe

CLIENT = Path(__file__).resolve().parents[3] / "client"

UPLOAD = """
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from tunedeck_client.models.upload import upload_model
print(upload_model(sys.argv[1], url=sys.argv[2])["ID"])
"""


@pytest.fixture(autouse=True)
def own_state(tmp_path, monkeypatch):
    """The client's own files are kept in the test's folder."""
    for variable in ("XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    for variable in ("TUNEDECK_URL", "TUNEDECK_TOKEN"):
        monkeypatch.delenv(variable, raising=False)


def write_tree(folder, files):
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


@pytest.fixture
def make_folder(tmp_path):
    """Make a folder of files, given by path; by default a small adapter as PEFT writes it."""

    def make(files=None, name="adapter"):
        folder = tmp_path / name
        config = {"adapter_config.json": json.dumps({"base_model_name_or_path": "llama-3.2-3b"}).encode()}
        write_tree(folder, {**config, **(files or {"adapter_model.safetensors": b"weights"})})
        return folder

    return make


@pytest.fixture
def pipe(system):
    """A forwarder to the gateway, whose links then lead through it, too."""
    made = Pipe(f"127.0.0.1:{urlsplit(system.url).port}")
    made.url = f"http://127.0.0.1:{made.port}"
    yield made
    made.cut()


@pytest.fixture
def start_python(tmp_path):
    """Start a program of the client; killed at the end."""
    started = []

    def start(program, *arguments):
        process = subprocess.Popen(
            [sys.executable, "-c", program, *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": str(CLIENT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def start_upload(start_python):
    return lambda folder, url: start_python(UPLOAD, folder, url)


def files_of(system, model_id):
    """Return a model's files as the service has them, by path."""
    found = system.get(f"/models/{model_id}/files?limit=100").json()
    return {file["path"]: file for file in found["data"]}


class FakeApi:
    """A service that says what a real one never does: ``answers`` maps a path to a JSON body, or to bytes."""

    def __init__(self):
        api = self
        self.answers = {}
        self.asked = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                api.asked.append((self.path, self.headers.get("Range"), self.headers.get("Authorization")))
                answer = api.answers.get(self.path.partition("?")[0], {"code": 404, "message": "no such thing"})
                body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(answer.get("code", 200) if isinstance(answer, dict) else 200)
                self.send_header("X-Request-ID", "fake-1")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_DELETE = do_GET

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def has_model(self, *files):
        """Let it have model 1, ready, of files given as path, content and the digest that it claims."""
        self.answers["/api/v1/models/1"] = {"model": {"ID": 1, "status": "ready"}, "download_links": {"archive": None}}
        listed = []
        for number, (path, content, digest) in enumerate(files):
            self.answers[f"/models/{number}"] = content
            url = f"{self.url}/models/{number}?X-Amz-Signature=s"
            listed.append({"path": path, "size": len(content), "sha256": digest, "error": None, "url": url})
        self.answers["/api/v1/models/1/files"] = {"data": listed, "total": len(listed)}

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def fake_api():
    made = FakeApi()
    yield made
    made.close()
