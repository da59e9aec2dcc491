"""PEFT and transformers load weights from us by name, and push them: with torch, which is too large for every run"""

import json
import textwrap

import numpy as np
import pytest

from examples.kernel import features, formats, lora
from examples.kernel.data import LABELS
from examples.kernel.model import HIDDEN, Classifier
from tests.foreign.hub.conftest import HERE, make_repo
from tests.support.environment import installed

pytestmark = pytest.mark.soak

ADAPTER = """
    import json, sys, torch
    from peft import PeftConfig, PeftModel

    class Base(torch.nn.Module):
        def __init__(self, width, hidden):
            super().__init__()
            self.encoder = torch.nn.Linear(width, hidden, bias=False)

        def forward(self, x):
            return self.encoder(x)

    base = Base(int(sys.argv[2]), int(sys.argv[3]))
    torch.nn.init.zeros_(base.encoder.weight)
    config = PeftConfig.from_pretrained(sys.argv[1])
    config.task_type = None  # what PEFT knows of that are models of transformers
    model = PeftModel.from_pretrained(base, sys.argv[1], config=config)
    print(json.dumps([config.base_model_name_or_path, model(torch.ones(1, int(sys.argv[2])))[0, :5].tolist()]))
"""

PUSHED_AND_LOADED = """
    import json, sys, torch
    from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    torch.set_num_threads(1)
    size = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
    made = LlamaForCausalLM(LlamaConfig(vocab_size=20_000, **size))  # ten megabytes: by LFS
    made.push_to_hub(sys.argv[1])
    made.push_to_hub(sys.argv[1])
    loaded = AutoModelForCausalLM.from_pretrained(sys.argv[1])
    mine, theirs = made.state_dict(), loaded.state_dict()
    print(json.dumps(mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)))
"""


@pytest.fixture(scope="module")
def python():
    return installed(HERE / "torch.txt")


def run(client, program, *arguments):
    printed = client.run(client.python, "-c", textwrap.dedent(program), *arguments)
    return json.loads(printed.splitlines()[-1])


def test_peft_loads_the_example_kernels_adapter(client, system, tmp_path):
    random = np.random.default_rng(0)
    a, b = (
        random.standard_normal(shape, dtype=np.float32) for shape in ((lora.RANK, features.WIDTH), (HIDDEN, lora.RANK))
    )
    shapes = ((HIDDEN, features.WIDTH), (len(LABELS), HIDDEN), (len(LABELS),))
    formats.write(tmp_path, "M", lora.Adapter(a, b), Classifier(*(np.zeros(shape, np.float32) for shape in shapes)))
    repo = make_repo(system, {path: (tmp_path / path).read_bytes() for path in formats.FILES})["repo_id"]
    base, found = run(client, ADAPTER, repo, features.WIDTH, HIDDEN)
    expected = (lora.ALPHA / lora.RANK) * (b @ (a @ np.ones(features.WIDTH, np.float32)))
    assert base == "example-base"
    assert np.allclose(found, expected[:5], rtol=1e-3, atol=1e-2)


def test_transformers_pushes_a_model_and_loads_it(client, system, fresh):
    assert run(client, PUSHED_AND_LOADED, fresh) is True
