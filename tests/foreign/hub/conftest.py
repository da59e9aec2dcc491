"""The Hub's client in three versions, each in an environment of its own, and repositories to load."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from run.token_file import add_token
from tests.support.environment import installed
from tests.support.pipe import Pipe
from tests.support.system import start_system

HERE = Path(__file__).parent
VERSIONS = ("huggingface_hub_0", "huggingface_hub_1", "huggingface_hub_2")

WEIGHTS = bytes(range(256)) * 12_000  # 3 MB
FILES = {
    "lora_adapters/adapter_config.json": b'{"r": 8}',
    "lora_adapters/adapter_model.safetensors": WEIGHTS,
    "lora_adapters/tokenizer/vocab.txt": b"vocabulary",
    "gguf/tiny-f16.gguf": b"GGUF",
}
NAMES = ["README.md", "adapter_config.json", "adapter_model.safetensors", "tiny-f16.gguf", "tokenizer/vocab.txt"]

_CATCH = """
import json, sys
from huggingface_hub import HfApi, create_repo, hf_hub_download, model_info, snapshot_download, whoami
try:
    print(json.dumps(eval(sys.argv[1], {**globals(), "arg": sys.argv[2:]})))
except Exception as error:
    print(json.dumps({"raised": [kind.__name__ for kind in type(error).__mro__], "message": str(error)}))
"""


@dataclass
class HubClient:
    """One version of the client, whose state is in a folder of the test's own."""

    python: Path
    home: Path
    endpoint: str

    def environ(self, **variables):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        own = {"HF_ENDPOINT": self.endpoint, "HF_HOME": str(self.home), "HF_HUB_DISABLE_XET": "1"}
        quiet = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "NO_COLOR": "1"}
        return kept | own | quiet | {"HF_HUB_DISABLE_UPDATE_CHECK": "1"} | variables

    def start(self, *command, **variables):
        return subprocess.Popen(
            list(map(str, command)),
            env=self.environ(**variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *command, **variables):
        """Run a command to its end; its output, or an assertion with what it printed."""
        process = self.start(*command, **variables)
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, out + err
        return out

    def start_eval(self, expression, *arguments, **variables):
        return self.start(self.python, "-c", _CATCH, expression, *arguments, **variables)

    def eval(self, expression, *arguments, **variables):
        """Return the value of an expression, or what it raised, as JSON; ``arg`` in it are the arguments."""
        out = self.run(self.python, "-c", _CATCH, expression, *arguments, **variables)
        return json.loads(out.splitlines()[-1])

    def hf(self, *arguments, **variables):
        return self.run(self.python.parent / "hf", *arguments, **variables)


@pytest.fixture(scope="session", params=VERSIONS)
def python(request):
    return installed(HERE / f"{request.param}.txt")


@pytest.fixture
def pipe(system):
    """A forwarder to the gateway, through which the links lead, too."""
    made = Pipe(f"127.0.0.1:{system.port}")
    yield made
    made.cut()


@pytest.fixture
def client(python, pipe, tmp_path):
    return HubClient(python, tmp_path / "home", f"http://127.0.0.1:{pipe.port}")


def make_repo(system, files=FILES, **fields):
    """Create a ready model of some files, and return its record."""
    body = {"name": "M", "base_model": "b", **fields}
    model = system.request("POST", "/models", json=body).json()
    url = f"/models/{model['ID']}"
    for path, content in files.items():
        assert system.request("PUT", f"{url}/files/{path}", data=content).status_code == 200
    answer = system.request("PUT", url, json={"status": "ready"})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def repo(system):
    """The id of a repository that has FILES."""
    return make_repo(system)["repo_id"]


@pytest.fixture
def fresh():
    """The id of a repository that nobody has made."""
    return f"team/{uuid.uuid4().hex}"


@contextmanager
def guarded_system(folder, **environ):
    """Run a system that asks for tokens; ``token`` may write, ``reader`` only read."""
    token = add_token(folder / "tokens.toml", "alice", ["read", "write"], None)
    reader = add_token(folder / "tokens.toml", "bob", ["read"], None)
    started = start_system(folder, EXAMPLE_KERNEL="0", EVALUATION_WORKER="0", **environ)
    started.token, started.reader = token, reader
    with started:
        yield started


@pytest.fixture(scope="session")
def guarded(tmp_path_factory):
    with guarded_system(tmp_path_factory.mktemp("guarded") / "data") as started:
        yield started
