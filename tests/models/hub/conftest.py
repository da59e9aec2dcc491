"""A repository to read."""

import pytest

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
