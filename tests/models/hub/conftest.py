"""A repository to read."""

import uuid

import pytest

from tests.models.hub.pushes import Pusher, inline

FILES = {
    "lora_adapters/adapter_config.json": b'{"r": 8}',
    "lora_adapters/adapter_model.safetensors": b"weights" * 100,
    "lora_adapters/tokenizer/vocab.txt": "größe".encode(),
    "gguf/tiny-f16.gguf": b"GGUF",
    "notes.txt": b"n",
}


@pytest.fixture
def repo(ready):
    """A ready model, as the API shows it; its repository has FILES and the generated README.md."""
    return ready(FILES)


@pytest.fixture
def pusher(models, store_server):
    return Pusher(models, store_server)


@pytest.fixture
def pushed(create, pusher):
    """Make a repository of some files by a commit, and return its id; as a push makes it, but for its place."""

    def pushed(files):
        repo_id = create(base_model="unknown", repo_id=f"team/{uuid.uuid4().hex}")["repo_id"]
        answer = pusher.commit(repo_id, *(inline(name, content) for name, content in files.items()))
        assert answer.status_code == 200, answer.text
        return repo_id

    return pushed
