"""The trainers' own packages with our callbacks in them, each in a virtual environment of its own below .data."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from run.parts import ROOT
from tests.support.environment import installed

HERE = Path(__file__).parent


def pip_install(python, *what):
    command = [python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-deps", *what]
    subprocess.run(command, check=True, timeout=300)


def install_client(python, folder):
    """Install the client as it is now: its entry points are found in its metadata only."""
    source = folder / "client"
    shutil.copytree(ROOT / "client", source, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    pip_install(python, "--force-reinstall", source)


@pytest.fixture(scope="session")
def bare(tmp_path_factory):
    """Transformers without torch, which its callbacks do not need."""
    python = installed(HERE / "transformers.txt")
    install_client(python, tmp_path_factory.mktemp("bare"))
    return python


@pytest.fixture(scope="session")
def torch(tmp_path_factory):
    """The trainers themselves; of axolotl the plugin manager alone, which wants little of what axolotl requires."""
    python = installed(HERE / "torch.txt")
    pip_install(python, "axolotl==0.19.0")
    install_client(python, tmp_path_factory.mktemp("torch"))
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


@pytest.fixture
def check_adapter(system):
    """Check that a job's one model is ready, trained from `tiny`, and is the adapter and no more."""

    def check_adapter(job):
        (model,) = system.get(f"/models?job_id={job}").json()["data"]
        assert (model["status"], model["base_model"]) == ("ready", "tiny")
        files = system.get(f"/models/{model['ID']}/files?limit=100").json()["data"]
        assert not any("checkpoint-" in file["path"] for file in files)
        names = {file["path"].rpartition("/")[2] for file in files}
        assert names >= {"adapter_model.safetensors", "adapter_config.json"}
        assert not names & {"optimizer.pt", "scheduler.pt", "rng_state.pth", "model.safetensors"}

    return check_adapter
