"""TRL's SFTTrainer trains an adapter of a tiny model for real: with the callback by itself, under a run, and alone."""

import re

import pytest

from tests.foreign.trainers.conftest import curves_of, run_around
from tests.support.waiting import wait_until

pytestmark = pytest.mark.soak

SFT = """
import torch
from datasets import Dataset
from peft import LoraConfig
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl import SFTConfig, SFTTrainer
from tunedeck_client.transformers import TunedeckCallback

torch.manual_seed(1)
torch.set_num_threads(1)
words = {word: number for number, word in enumerate(["<pad>", "<eos>", "<unk>", "one", "two", "three", "four"])}
words = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
words.pre_tokenizer = pre_tokenizers.Whitespace()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>")
sizes = dict(hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2)
model = LlamaForCausalLM(LlamaConfig(vocab_size=8, pad_token_id=0, eos_token_id=1, **sizes))
args = SFTConfig(
    output_dir="out", max_steps=6, logging_steps=2, save_steps=3, report_to="none", use_cpu=True, bf16=False
)
data = Dataset.from_dict({"text": ["one two three four"] * 16})
adapter = LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM")
callbacks = [TunedeckCallback(base_model="tiny")]
trainer = SFTTrainer(
    model, args, train_dataset=data, processing_class=tokenizer, peft_config=adapter, callbacks=callbacks
)
trainer.train()
"""
ALONE = re.sub("from tunedeck_client.*\n|TunedeckCallback.*?\\)", "", SFT) + "trainer.save_model()\n"
ITS_OWN = {"loss", "entropy", "mean_token_accuracy", "num_tokens", "learning_rate", "grad_norm", "epoch"}


def test_it_works_by_itself(system, torch, train, new_job, check_adapter):
    job = new_job()
    done = train(torch, SFT, job)
    assert done.returncode == 0, done.stderr
    record = system.get(f"/jobs/{job}").json()
    assert (record["status"], record["progress"], record["error"]) == ("completed", 1.0, None)
    curves = curves_of(system, job)
    assert curves.keys() >= ITS_OWN
    assert [step for step, _ in curves["mean_token_accuracy"]] == [2, 4, 6]
    check_adapter(job)


def test_under_a_run_the_callback_reports_and_the_run_uploads(system, torch, train, new_job, check_adapter):
    job = new_job()
    options = ["--job", str(job), "--upload", "out", "--base-model", "tiny"]
    done = train(torch, SFT + "trainer.save_model()\n", job, prefix=run_around(torch, *options))
    assert done.returncode == 0, done.stderr
    record = system.get(f"/jobs/{job}").json()
    assert (record["status"], record["progress"]) == ("completed", 1.0)
    assert [step for step, _ in curves_of(system, job)["loss"]] == [2, 4, 6]
    check_adapter(job)


def test_one_that_knows_nothing_of_us_has_its_curves_by_its_output(system, torch, train, check_adapter):
    assert "tunedeck" not in ALONE.lower()
    options = ["--name", "sft alone", "--upload", "out", "--base-model", "tiny"]
    done = train(torch, ALONE, None, prefix=run_around(torch, *options), TUNEDECK_URL=system.url)
    assert done.returncode == 0, done.stderr
    (job,) = system.get("/jobs?q=sft alone").json()["data"]
    assert (job["status"], job["progress"]) == ("completed", 1.0)
    found = wait_until(lambda: (m := system.get(f"/jobs/{job['ID']}/metrics").json())["complete"] and m)
    counts = {curve["name"]: curve["count"] for curve in found["series"]}
    assert found["source"] == "log"
    assert {name: counts.get(name) for name in ITS_OWN} == dict.fromkeys(ITS_OWN, 3) | {"epoch": 4}
    assert counts["train_loss"] == 1
    check_adapter(job["ID"])


def test_a_cancelled_one_stops(system, torch, train, new_job):
    job = new_job()
    endless = SFT.replace("max_steps=6", "max_steps=1_000_000").replace("logging_steps=2", "logging_steps=1_000")
    cancel = f"""
import threading, urllib.request
def cancel():
    url, body = "{system.url}/api/v1/jobs/{job}", b'{{"status": "cancelled"}}'
    request = urllib.request.Request(url, body, {{"Content-Type": "application/json"}}, method="PUT")
    urllib.request.urlopen(request).close()
"""
    endless = endless.replace("trainer.train()", f"{cancel}threading.Timer(1, cancel).start()\ntrainer.train()")
    done = train(torch, endless.replace("save_steps=3", "save_strategy='no'"), job)
    assert done.returncode == 0, done.stderr
    assert system.get(f"/jobs/{job}").json()["status"] == "cancelled"
    assert system.get(f"/models?job_id={job}").json()["data"] == []
