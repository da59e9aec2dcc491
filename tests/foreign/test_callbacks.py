"""The trainers' own packages with our callbacks in them, each in a virtualenv of its own below .data."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from run.parts import ROOT
from tests.support.waiting import wait_until

HERE = Path(__file__).parent


def install(requirements, *without_dependencies):
    """Make a virtualenv with these requirements and our client, once for each content; return its Python."""
    digest = hashlib.sha256((HERE / requirements).read_bytes() + repr(without_dependencies).encode()).hexdigest()
    folder = ROOT / ".data" / f"{Path(requirements).stem}-{digest[:12]}"
    python = folder / "bin" / "python"
    pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    if not (folder / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([*pip, "-r", HERE / requirements], check=True)
        if without_dependencies:
            subprocess.run([*pip, "--no-deps", *without_dependencies], check=True)
        (folder / "complete").touch()
    return python, pip


def install_client(pip, folder):
    """Install the client as it is now: its entry points are found in its metadata only."""
    source = folder / "client"
    shutil.copytree(ROOT / "client", source, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    subprocess.run([*pip, "--no-deps", "--force-reinstall", source], check=True)


@pytest.fixture(scope="session")
def bare(tmp_path_factory):
    """Transformers without torch, which its callbacks do not need."""
    python, pip = install("callbacks.txt")
    install_client(pip, tmp_path_factory.mktemp("bare"))
    return python


@pytest.fixture(scope="session")
def torch(tmp_path_factory):
    """The trainers themselves; of axolotl the plugin manager alone, which wants little of what axolotl requires."""
    python, pip = install("callbacks_torch.txt", "axolotl==0.19.0")
    install_client(pip, tmp_path_factory.mktemp("torch"))
    return python


@pytest.fixture
def new_job(system):
    def new_job():
        return system.request("POST", "/jobs", json={}).json()["ID"]

    return new_job


@pytest.fixture
def train(system, tmp_path):
    """Run a program in a virtualenv for a job, and return the finished process."""
    drop = ("TUNEDECK_KERNEL", "TUNEDECK_UPLOAD", "TUNEDECK_LOGS_URL", "MLFLOW_TRACKING_URI", "RANK")
    environ = {name: value for name, value in os.environ.items() if name not in drop}
    environ |= {"XDG_STATE_HOME": str(tmp_path / "state"), "HF_HUB_OFFLINE": "1", "WANDB_DISABLED": "true"}

    def train(python, program, job, *, prefix=(), **variables):
        (tmp_path / "train.py").write_text(program)
        named = {} if job is None else {"TUNEDECK_JOB": str(job), "TUNEDECK_URL": system.url}
        return subprocess.run(
            [*prefix, python, "train.py"],
            cwd=tmp_path,
            env=environ | named | variables,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )

    return train


def run_around(python, *options):
    """Return the beginning of a command line that runs the rest of it as a job."""
    return [python, "-m", "tunedeck_client.command", "run", *options, "--"]


def curves_of(system, job):
    found = system.get(f"/jobs/{job}/metrics").json()
    assert found["source"] == "reported", found
    return {curve["name"]: [point[:2] for point in curve["points"]] for curve in found["series"]}


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


LIGHTNING = """
import torch
import PACKAGE as lightning

class Module(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 1)
    def training_step(self, batch, index):
        loss = self.layer(batch).pow(2).mean()
        self.log("train_loss", loss)
        return loss
    def validation_step(self, batch, index):
        self.log("val_loss", self.layer(batch).pow(2).mean())
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.01)

loader = torch.utils.data.DataLoader(torch.ones(12, 4), batch_size=2)
quiet = dict(enable_progress_bar=False, enable_model_summary=False, logger=False, enable_checkpointing=False)
trainer = lightning.Trainer(max_epochs=2, log_every_n_steps=3, accelerator="cpu", **quiet)
trainer.fit(Module(), loader, loader)
print([type(callback).__name__ for callback in trainer.callbacks])
"""


@pytest.mark.soak
@pytest.mark.parametrize("package", ["lightning.pytorch", "pytorch_lightning"])
def test_lightning_finds_its_callback(system, torch, train, new_job, package):
    job = new_job()
    done = train(torch, LIGHTNING.replace("PACKAGE", package), job)
    assert done.returncode == 0, done.stderr
    record = system.get(f"/jobs/{job}").json()
    assert (record["status"], record["progress"]) == ("completed", 1.0)
    curves = curves_of(system, job)
    assert [step for step, _ in curves["train_loss"]] == [3, 6, 9, 12]
    assert {step for step, _ in curves["val_loss"]} >= {6, 12}


@pytest.mark.soak
def test_lightning_without_a_job_has_no_callback_of_ours(torch, train):
    done = train(torch, LIGHTNING.replace("PACKAGE", "lightning.pytorch"), None)
    assert done.returncode == 0, done.stderr
    assert "TunedeckCallback" not in done.stdout


@pytest.mark.soak
def test_lightning_that_fails_fails_its_job(system, torch, train, new_job):
    job = new_job()
    failing = LIGHTNING.replace("PACKAGE", "lightning.pytorch").replace("return loss", "raise ValueError('boom')")
    assert train(torch, failing, job).returncode == 1
    record = system.get(f"/jobs/{job}").json()
    assert (record["status"], record["error"]) == ("failed", "ValueError: boom")


AXOLOTL = """
from types import SimpleNamespace
from axolotl.integrations.base import PluginManager
from axolotl.utils.dict import DictDefault
from transformers import TrainerControl, TrainerState

manager = PluginManager.get_instance()
manager.register("tunedeck_client.axolotl.TunedeckPlugin")
cfg = DictDefault({"output_dir": "out", "base_model": "tiny"})
(callback,) = manager.add_callbacks_pre_trainer(cfg, None)
state, control = TrainerState(max_steps=2, is_world_process_zero=True), TrainerControl()
args = SimpleNamespace(output_dir="out")
callback.on_train_begin(args, state, control)
state.global_step = 2
callback.on_step_end(args, state, control)
callback.on_log(args, state, control, logs={"loss": 0.5})
callback.on_train_end(args, state, control, model=None)
import os
os.makedirs("out")
open("out/adapter_model.safetensors", "w").write("weights")
manager.post_train(cfg, None)
"""


@pytest.mark.soak
def test_axolotl_takes_the_plugin(system, torch, train, new_job):
    job = new_job()
    done = train(torch, AXOLOTL, job)
    assert done.returncode == 0, done.stderr
    assert system.get(f"/jobs/{job}").json()["status"] == "completed"
    assert curves_of(system, job) == {"loss": [[2, 0.5]]}
    (model,) = wait_until(lambda: system.get(f"/models?job_id={job}").json()["data"])
    assert (model["status"], model["base_model"]) == ("ready", "tiny")
