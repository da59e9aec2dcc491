"""An evaluation by llama.cpp."""

from __future__ import annotations

import json
import subprocess
import textwrap
from pathlib import Path

import pytest

from tests.support.environment import installed
from tests.support.system import start_system
from tests.support.tiny_gguf import write_tiny_gguf
from tests.support.waiting import wait_until

ROWS = 4
SERVE = textwrap.dedent(
    """
    import sys
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = sys.argv[1]
    params.n_ctx, params.n_parallel, params.warmup, params.port = 512, 1, False, 0
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()
    """
)


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    """The whole system with a llama.cpp of its own as its inference server."""
    folder = tmp_path_factory.mktemp("llama")
    write_tiny_gguf(folder / "tiny.gguf")
    python = installed(Path(__file__).parent / "llama_cpp.txt")
    command = [python, "-c", SERVE, folder / "tiny.gguf"]
    with (
        (folder / "llama.err").open("wb") as errors,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True) as server,
    ):
        address = server.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), (folder / "llama.err").read_text()[-3000:]
        running = start_system(folder / "data", INFERENCE_URL=f"{address}/v1", EXAMPLE_KERNEL="0")
        try:
            running.wait_until_ready()
            yield running
        finally:
            running.stop()
            server.stdin.close()


@pytest.fixture
def evaluate(system):
    """Evaluate a model on a small test set and return the evaluation once it is over."""

    def evaluate(**how):
        rows = [{"input": f"row {number}", "expected": ("yes", "no")[number % 2]} for number in range(ROWS)]
        assert system.request("PUT", "/datasets/llama.json", data=json.dumps(rows)).status_code == 200
        model = {"name": "tiny", "base_model": "base", "status": "ready"}
        number = system.request("POST", "/models", json=model).json()["ID"]
        body = {"test_set_path": "datasets/llama.json", "generation": {"max_tokens": 4}, "max_error_rate": 1, **how}
        begun = system.request("POST", f"/models/{number}/evaluate", json=body)
        assert begun.status_code == 202, begun.text
        path = f"/evaluations/{begun.json()['evaluation_id']}"
        return wait_until(lambda: found if (found := system.get(path).json())["completed_at"] else None, within_s=120)

    return evaluate


def test_it_works(evaluate):
    record = evaluate(allow_same_model=True)

    assert record["status"] == "completed", record["error"]
    results = record["results"]
    assert (results["n"], results["errors"]) == (ROWS, {"base_model": {}, "fine_tuned": {}})
    # It never stops by itself, and is deterministic at temperature 0.
    assert results["fine_tuned"]["truncated"] == ROWS
    assert results["fine_tuned"]["tokens"]["output"] == 4 * ROWS
    assert [message["role"] for message in record["provenance"]["first_request"]] == ["system", "user"]
    assert record["provenance"]["adapted"] == {}
    assert results["significance"]["verdict"] == "not_distinguishable"


def test_one_model_behind_both_names_is_noticed(evaluate):
    assert "to both models; allow_same_model allows it." in evaluate()["error"]


def test_a_generation_that_is_always_cut_fails_it(evaluate):
    record = evaluate(allow_same_model=True, max_error_rate=0.1)

    assert "rows a generation was cut at max_tokens" in record["error"]
