"""llama.cpp opens a model by a link of ours, as `llama-cli --model-url` does, and generates from it."""

import json
import subprocess
import textwrap
from pathlib import Path

import pytest

from tests.support.environment import installed
from tests.support.tiny_gguf import write_tiny_gguf

MODELS = "/models"

GENERATE = textwrap.dedent(
    """
    import json, sys
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.url, params.model.path = sys.argv[1:]
    params.n_ctx, params.n_parallel, params.warmup = 256, 1, False
    answer = xllamacpp.Server(params).handle_completions({"prompt": "abc", "max_tokens": 4})
    print(json.dumps(answer["usage"]))
    """
)


@pytest.fixture(scope="module")
def python():
    return installed(Path(__file__).parent / "llama_cpp.txt")


@pytest.fixture
def links(system, tmp_path):
    """The links to a model whose one GGUF is named so that its signed address has a `;` and a `%` to spell."""
    write_tiny_gguf(tmp_path / "tiny.gguf")
    body = {"name": "tiny", "base_model": "b"}
    created = system.request("POST", MODELS, json=body)
    assert created.status_code == 201, created.text
    url = f"{MODELS}/{created.json()['ID']}"
    content = (tmp_path / "tiny.gguf").read_bytes()
    assert system.request("PUT", f"{url}/files/gguf/tiny; 100%25-f16.gguf", data=content).status_code == 200
    assert system.request("PUT", url, json={"status": "ready"}).status_code == 200
    return system.get(url).json()["download_links"]


def test_it_loads_a_model_by_its_link(python, links, tmp_path):
    command = [python, "-c", GENERATE, links["gguf"], tmp_path / "loaded.gguf"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout.splitlines()[-1])["completion_tokens"] == 4
    assert (tmp_path / "loaded.gguf").read_bytes() == (tmp_path / "tiny.gguf").read_bytes()
