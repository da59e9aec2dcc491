"""The callback in transformers' own handler of callbacks, and in trainings of its Trainer."""

import re
from pathlib import Path

import pytest

from tests.foreign.trainers.conftest import curves_of, run_around
from tests.support.waiting import wait_until

# The trainer's own handler and states; what it trains does not matter to a callback.
DRIVEN = """
import json, os, sys, time
from types import SimpleNamespace
from transformers import TrainerControl, TrainerState
from transformers.trainer_callback import CallbackHandler
from tunedeck_client.transformers import TunedeckCallback

class Model:
    config = SimpleNamespace(_name_or_path="tiny-base")
    def save_pretrained(self, folder):
        os.makedirs(folder + "/checkpoint-1", exist_ok=True)
        for name in ("model.safetensors", "optimizer.pt", "checkpoint-1/model.safetensors"):
            open(f"{folder}/{name}", "w").write("weights")

rank = int(os.environ.get("TEST_RANK", "0"))
state = TrainerState(max_steps=4, is_world_process_zero=rank == 0)
control, args = TrainerControl(), SimpleNamespace(output_dir="out")
callback = TunedeckCallback(upload=os.environ.get("TEST_UPLOAD") == "1")
handler = CallbackHandler([callback], Model(), None, None, None)
handler.on_train_begin(args, state, control)
for step in range(1, 5):
    state.global_step = step
    handler.on_step_end(args, state, control)
    handler.on_log(args, state, control, {"loss": 1 / step, "grad_norm": float("nan"), "epoch": step / 4})
    WHILE
handler.on_train_end(args, state, control)
print("stopped" if control.should_training_stop else "trained")
"""
PLAIN = DRIVEN.replace("WHILE", "pass")


def test_it_works(system, bare, train, new_job):
    job = new_job()
    done = train(bare, PLAIN, job, TEST_UPLOAD="1")
    assert (done.returncode, done.stdout) == (0, "trained\n"), done.stderr
    record = system.get(f"/jobs/{job}").json()
    assert (record["status"], record["progress"]) == ("completed", 1.0)
    curves = curves_of(system, job)
    assert curves["loss"] == [[1, 1.0], [2, 0.5], [3, 1 / 3], [4, 0.25]]
    assert curves["grad_norm"] == [[step, "NaN"] for step in range(1, 5)]
    assert curves["epoch"][-1] == [4, 1.0]
    (model,) = system.get(f"/models?job_id={job}").json()["data"]
    assert (model["status"], model["base_model"]) == ("ready", "tiny-base")
    (file,) = system.get(f"/models/{model['ID']}/files").json()["data"]
    assert file["path"].endswith("model.safetensors")
    assert "checkpoint" not in file["path"]


def test_another_rank_says_nothing(system, bare, train, new_job):
    job = new_job()
    assert train(bare, PLAIN, job, TEST_RANK="1", TEST_UPLOAD="1").stdout == "trained\n"
    assert system.get(f"/jobs/{job}").json()["status"] == "pending"
    assert system.get(f"/jobs/{job}/metrics").json()["series"] == []


def test_without_a_job_it_does_nothing(bare, train, tmp_path):
    done = train(bare, PLAIN, None, TEST_UPLOAD="1")
    assert (done.returncode, done.stdout) == (0, "trained\n"), done.stderr
    assert "tunedeck" not in done.stderr
    assert not (tmp_path / "state").exists()


def test_a_cancelled_job_stops_the_training(system, bare, train, new_job):
    """The trainer asks after each step; here it takes one step more for as long as nobody has noticed."""
    job = new_job()
    cancel = f"""
    if step == 1:
        import urllib.request
        url, body = "{system.url}/api/v1/jobs/{job}", b'{{"status": "cancelled"}}'
        request = urllib.request.Request(url, body, {{"Content-Type": "application/json"}}, method="PUT")
        urllib.request.urlopen(request).close()
    deadline = time.monotonic() + 60
    while step == 4 and not control.should_training_stop and time.monotonic() < deadline:
        time.sleep(0.2)
        handler.on_step_end(args, state, control)
    """
    done = train(bare, DRIVEN.replace("    WHILE", cancel), job, TEST_UPLOAD="1")
    assert (done.returncode, done.stdout) == (0, "stopped\n"), done.stderr
    assert system.get(f"/jobs/{job}").json()["status"] == "cancelled"
    assert system.get(f"/models?job_id={job}").json()["data"] == []


def test_a_training_that_fails_fails_its_job(system, bare, train, new_job):
    job = new_job()
    assert train(bare, DRIVEN.replace("WHILE", "raise ValueError('boom')"), job).returncode == 1
    record = system.get(f"/jobs/{job}").json()
    assert (record["status"], record["error"]) == ("failed", "the process ended before its training did")


def test_under_tunedeck_run_the_exit_code_decides_and_the_run_uploads(system, bare, train, new_job):
    job = new_job()
    options = ["--job", str(job), "--upload", "out", "--base-model", "from the command line"]
    done = train(bare, PLAIN, job, prefix=run_around(bare, *options), TEST_UPLOAD="1")
    assert (done.returncode, done.stdout) == (0, "trained\n"), done.stderr
    record = system.get(f"/jobs/{job}").json()
    assert (record["status"], record["progress"]) == ("completed", 1.0)
    assert curves_of(system, job)["loss"][-1] == [4, 0.25]
    (model,) = system.get(f"/models?job_id={job}").json()["data"]
    assert (model["status"], model["base_model"]) == ("ready", "from the command line")


def test_a_service_that_is_away_is_no_error_of_the_training(bare, train, free_address):
    done = train(bare, PLAIN, 7, TUNEDECK_URL=free_address)
    assert (done.returncode, done.stdout) == (0, "trained\n"), done.stderr
    assert "metric points not sent yet" in done.stderr


@pytest.fixture
def free_address():
    return "http://127.0.0.1:9"


TRAINER = """
import torch
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments
from tunedeck_client.transformers import TunedeckCallback

torch.manual_seed(1)
sizes = dict(hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2)
model = LlamaForCausalLM(LlamaConfig(vocab_size=32, **sizes))
data = [{"input_ids": torch.arange(8) % 32, "labels": torch.arange(8) % 32}] * 16
args = TrainingArguments(
    output_dir="out", max_steps=6, logging_steps=2, save_steps=3, report_to="none", disable_tqdm=True, use_cpu=True
)
Trainer(model, args, train_dataset=data, callbacks=[TunedeckCallback(base_model="tiny")]).train()
"""


@pytest.mark.soak
def test_transformers_trains(system, torch, train, new_job):
    job = new_job()
    done = train(torch, TRAINER, job)
    assert done.returncode == 0, done.stderr
    assert system.get(f"/jobs/{job}").json()["status"] == "completed"
    assert [step for step, _ in curves_of(system, job)["loss"]] == [2, 4, 6]
    (model,) = system.get(f"/models?job_id={job}").json()["data"]
    files = system.get(f"/models/{model['ID']}/files?limit=100").json()["data"]
    names = {Path(file["path"]).name for file in files}
    assert "model.safetensors" in names
    assert not names & {"optimizer.pt", "scheduler.pt", "rng_state.pth"}
    assert not any("checkpoint-" in file["path"] for file in files)


@pytest.mark.soak
def test_a_trainer_that_knows_nothing_of_us_reports_by_itself(system, torch, train):
    """Under `tunedeck run`, by the callback that it attaches where Kubeflow's variables are set."""
    program = re.sub("from tunedeck_client.*\\n|, callbacks=.*]", "", TRAINER) + "model.save_pretrained('out')\n"
    assert "tunedeck" not in program.lower()
    options = ["--name", "knows nothing", "--upload", "out", "--base-model", "tiny"]
    done = train(torch, program, None, prefix=run_around(torch, *options), TUNEDECK_URL=system.url)
    assert done.returncode == 0, done.stderr
    (job,) = system.get("/jobs?q=knows nothing").json()["data"]
    assert (job["status"], job["progress"]) == ("completed", 1.0)
    found = wait_until(lambda: (m := system.get(f"/jobs/{job['ID']}/metrics").json())["complete"] and m)
    (loss,) = (curve for curve in found["series"] if curve["name"] == "loss")
    assert (found["source"], loss["count"]) == ("log", 3)
    (model,) = system.get(f"/models?job_id={job['ID']}").json()["data"]
    assert model["status"] == "ready"
