"""unsloth trains an adapter of a tiny model for real, on the CPU, which it falls back to where there is no GPU."""

import re
import subprocess

import pytest

from tests.foreign.trainers.conftest import HERE, curves_of, install_client, run_around
from tests.support.environment import installed
from tests.support.waiting import wait_until

pytestmark = pytest.mark.soak

TUNED = """
from unsloth import FastLanguageModel
import torch
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl import SFTConfig, SFTTrainer
from tunedeck_client.transformers import TunedeckCallback

names = ["<pad>", "<eos>", "<unk>", "<s>", "one", "two", "three", "four"]
words = Tokenizer(models.WordLevel({word: number for number, word in enumerate(names)}, unk_token="<unk>"))
words.pre_tokenizer = pre_tokenizers.Whitespace()
special = dict(pad_token="<pad>", eos_token="<eos>", unk_token="<unk>", bos_token="<s>")
PreTrainedTokenizerFast(tokenizer_object=words, **special).save_pretrained("tiny")
sizes = dict(hidden_size=64, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2)
config = LlamaConfig(vocab_size=8, pad_token_id=0, eos_token_id=1, bos_token_id=3, max_position_embeddings=64, **sizes)
LlamaForCausalLM(config).save_pretrained("tiny")

model, tokenizer = FastLanguageModel.from_pretrained(
    "tiny", max_seq_length=32, load_in_4bit=False, dtype=torch.float32
)
model = FastLanguageModel.get_peft_model(model, r=2, target_modules=["q_proj"])
args = SFTConfig(output_dir="out", max_steps=6, logging_steps=2, save_steps=3, report_to="none")
data = Dataset.from_dict({"text": ["one two three four"] * 16})
callbacks = [TunedeckCallback()]
trainer = SFTTrainer(model=model, args=args, train_dataset=data, processing_class=tokenizer, callbacks=callbacks)
trainer.train()
"""
ALONE = re.sub("from tunedeck_client.*\n|TunedeckCallback\\(\\)", "", TUNED) + "model.save_pretrained('out')\n"


@pytest.fixture(scope="module")
def unsloth(tmp_path_factory):
    python = installed(HERE / "unsloth.txt")
    # It would have to be of torch's own build, and a CPU's torch may come from elsewhere; text needs nothing of it.
    subprocess.run([python, "-m", "pip", "uninstall", "-qqy", "torchvision"], check=True, timeout=300)
    install_client(python, tmp_path_factory.mktemp("unsloth"))
    return python


def test_it_works(system, unsloth, train, new_job, check_adapter):
    job = new_job()
    done = train(unsloth, TUNED, job)
    assert done.returncode == 0, done.stderr
    record = system.get(f"/jobs/{job}").json()
    assert (record["status"], record["progress"], record["error"]) == ("completed", 1.0, None)
    curves = curves_of(system, job)
    assert [step for step, _ in curves["loss"]] == [2, 4, 6]
    assert curves.keys() >= {"learning_rate", "grad_norm", "num_tokens", "epoch"}
    check_adapter(job)


def test_one_that_knows_nothing_of_us_has_its_curves_by_its_output(system, unsloth, train, check_adapter):
    assert "tunedeck" not in ALONE.lower()
    options = ["--name", "unsloth alone", "--upload", "out"]
    done = train(unsloth, ALONE, None, prefix=run_around(unsloth, *options), TUNEDECK_URL=system.url)
    assert done.returncode == 0, done.stderr
    (job,) = system.get("/jobs?q=unsloth alone").json()["data"]
    assert job["status"] == "completed"
    found = wait_until(lambda: (m := system.get(f"/jobs/{job['ID']}/metrics").json())["complete"] and m)
    counts = {curve["name"]: curve["count"] for curve in found["series"]}
    assert (found["source"], counts["loss"], counts["train_loss"]) == ("log", 3, 1)
    check_adapter(job["ID"])
