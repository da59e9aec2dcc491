"""Folders as trainers leave them, and processes that upload one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

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
def start_python(children):
    """Start a program of the client."""

    def start(program, *arguments):
        process = subprocess.Popen(
            [sys.executable, "-c", program, *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": str(CLIENT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        children.append(process)
        return process

    return start


@pytest.fixture
def start_upload(start_python):
    return lambda folder, url: start_python(UPLOAD, folder, url)


def files_of(system, model_id):
    """Return a model's files as the service has them, by path."""
    found = system.get(f"/models/{model_id}/files?limit=100").json()
    return {file["path"]: file for file in found["data"]}
