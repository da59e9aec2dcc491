"""`tunedeck run --upload`: the folder becomes the job's model before the job is completed."""

import json
import signal

import pytest

from tests.support.waiting import wait_until

MAKES_A_FOLDER = """
import json, os
os.makedirs("out/checkpoint-1")
for name in ("adapter_model.safetensors", "optimizer.pt", "checkpoint-1/adapter_model.safetensors"):
    open(f"out/{name}", "w").write("weights")
json.dump({"base_model_name_or_path": "llama"}, open("out/adapter_config.json", "w"))
"""


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def start_upload(start_run, system):
    """Start a run against the whole system, its gateway for everything; and its new job's number."""

    def new_job():
        """Return a job without models: other tests name jobs in their models that there were not yet."""
        job = system.request("POST", "/jobs", json={}).json()["ID"]
        return None if system.get(f"/models?job_id={job}").json()["data"] else job

    def start_upload(*options, program=MAKES_A_FOLDER, **settings):
        job = wait_until(new_job)
        options = ["--job", str(job), *options]
        run = start_run(*options, program=program, url=f"{system.url}/api/v1", TUNEDECK_URL=system.url, **settings)
        return job, run

    return start_upload


def test_it_works(system, start_upload):
    job, run = start_upload("--upload", "out", "--model-name", "Sentiment", "--json")
    code, out, err = run.end()
    assert (code, err) == (0, b"")
    assert system.get(f"/jobs/{job}").json()["status"] == "completed"
    (model,) = system.get(f"/models?job_id={job}").json()["data"]
    assert (model["status"], model["name"], model["base_model"]) == ("ready", "Sentiment", "llama")
    assert json.loads(out)["model_id"] == model["ID"]
    files = system.get(f"/models/{model['ID']}/files").json()["data"]
    assert {file["path"].rpartition("/")[2] for file in files} == {"adapter_model.safetensors", "adapter_config.json"}
    lines = system.get(f"/jobs/{job}/logs?limit=10").json()["logs"]
    assert lines[-1]["message"] == f"tunedeck run: out is model {model['ID']} now"


def test_a_command_that_fails_uploads_nothing(system, start_upload):
    job, run = start_upload("--upload", "out", program=f"{MAKES_A_FOLDER}\nraise SystemExit(3)")
    assert run.end()[0] == 3
    assert system.get(f"/models?job_id={job}").json()["data"] == []


@pytest.mark.parametrize(
    ("options", "program", "said"),
    [
        (["--upload", "nowhere"], "pass", "nowhere"),
        (["--upload", "out"], "import os; os.makedirs('out')", "out"),
    ],
)
def test_a_folder_that_cannot_become_a_model_fails_the_job(system, start_upload, options, program, said):
    job, run = start_upload(*options, program=program)
    assert run.end()[0] == 1
    record = system.get(f"/jobs/{job}").json()
    assert record["status"] == "failed"
    assert record["error"].startswith("the model was not uploaded: ")
    assert said in record["error"]


def test_an_upload_that_fails_fails_the_job(system, start_upload):
    job, run = start_upload("--upload", "out", "--base-model", "a base", "--model-name", "mine", UPLOAD="broken")
    code, _, err = run.end()
    assert (code, b"the store is full" in err) == (1, True)
    command = f"tunedeck push out --job {job} --base-model 'a base' --name mine"
    assert err.decode().endswith(f"To send it: {command}\n")
    record = system.get(f"/jobs/{job}").json()
    assert (record["status"], record["error"]) == ("failed", "the model was not uploaded: the store is full")


def test_sigterm_in_an_upload_ends_it(system, start_upload):
    job, run = start_upload("--upload", "out", UPLOAD="hangs")
    wait_until(lambda: run.process.stderr.read(9) == b"uploading")
    run.signal(signal.SIGTERM)
    assert run.end()[0] == 143
    record = system.get(f"/jobs/{job}").json()
    assert (record["status"], record["error"]) == ("failed", "the upload was interrupted by SIGTERM")
