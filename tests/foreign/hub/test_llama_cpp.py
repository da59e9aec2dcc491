"""llama.cpp loads a model of ours by its name, as `llama-cli -hf tunedeck/model-1:F16` does, and generates from it."""

import json
import subprocess
import textwrap

import pytest

from tests.foreign.hub.conftest import HERE, make_repo
from tests.support.environment import installed
from tests.support.tiny_gguf import write_tiny_gguf

GENERATE = textwrap.dedent(
    """
    import json, sys
    import xllamacpp

    params = xllamacpp.CommonParams()
    # The path is only asked for: where there is a repository, that says which file it is.
    params.model.hf_repo, params.model.path = sys.argv[1], "unused"
    params.n_ctx, params.n_parallel, params.warmup = 256, 1, False
    answer = xllamacpp.Server(params).handle_completions({"prompt": "abc", "max_tokens": 4})
    print(json.dumps(answer["usage"]))
    """
)


@pytest.fixture(scope="module")
def python():
    return installed(HERE.parent / "llama_cpp.txt")


@pytest.mark.parametrize("tag", [":F16", ""])
def test_it_loads_a_model_by_its_name(python, system, tmp_path, tag):
    write_tiny_gguf(tmp_path / "tiny.gguf")
    content = (tmp_path / "tiny.gguf").read_bytes()
    files = {"lora_adapters/adapter_config.json": b"{}", "gguf/tiny-F16.gguf": content}
    repo = make_repo(system, files)["repo_id"]
    environ = {"HF_ENDPOINT": system.url, "LLAMA_CACHE": str(tmp_path / "cache"), "HOME": str(tmp_path)}
    environ |= {"HF_HOME": str(tmp_path / "home")}
    command = [python, "-c", GENERATE, repo + tag]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout.splitlines()[-1])["completion_tokens"] == 4
