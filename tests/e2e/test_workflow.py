"""The seven steps of the API document's workflow, against the system as `make run` starts it."""

from __future__ import annotations

import io
import time
import zipfile

import pytest
import requests

from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def job(system):
    """Steps 1 and 2: a job, and its log from the first line to the end."""
    created = system.request("POST", "/jobs", json={"dataset_id": 1, "configuration": {"epochs": 3}}).json()
    stream = system.get(f"/jobs/{created['ID']}/logs", stream=True)
    arrivals = [(time.monotonic(), line) for line in stream.iter_lines(decode_unicode=True)]
    return {**created, "stream": arrivals}


@pytest.fixture(scope="module")
def model(system, job):
    (found,) = system.get(f"/models?job_id={job['ID']}").json()["data"]
    return found


@pytest.fixture(scope="module")
def evaluation(system, model):
    """Steps 6 and 7, until it is over."""
    created = system.request(
        "POST", f"/models/{model['ID']}/evaluate", json={"test_set_path": "datasets/test_split.json"}
    )
    assert created.status_code == 202, created.text
    path = f"/evaluations/{created.json()['evaluation_id']}"
    return wait_until(lambda: (answer := system.get(path).json())["status"] in ("completed", "failed") and answer)


def test_the_stream_shows_the_kernels_lines_and_ends_by_itself(system, job):
    lines = [line for _, line in job["stream"]]
    texts = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    stored = system.get(f"/jobs/{job['ID']}/logs?limit=1000").json()["logs"]

    assert [line["ID"] for line in stored] == list(range(1, len(stored) + 1))
    assert [text.split("] ", 2)[2] for text in texts] == [line["message"] for line in stored]
    assert sum("Epoch" in text for text in texts) >= 3
    assert 'data:{"status":"completed"}' in lines


def test_the_job_is_completed(system, job):
    record = system.get(f"/jobs/{job['ID']}").json()

    assert record["status"] == "completed"
    assert record["created_at"] <= record["started_at"] <= record["completed_at"]


def test_the_model_is_ready_and_knows_its_job(system, job, model):
    detail = system.get(f"/models/{model['ID']}").json()

    assert (model["status"], model["base_model"]) == ("ready", "example-base")
    assert model["name"] == f"Model from Job {job['ID']}"
    assert detail["model"]["job"]["ID"] == job["ID"]
    assert sum(detail["files"].values()) == model["total_size"]


def test_the_links_open_as_they_stand(system, model):
    links = system.get(f"/models/{model['ID']}").json()["download_links"]

    gguf = requests.get(links["gguf"], timeout=30)
    folder = requests.get(links["lora_adapters"], timeout=30)

    assert links["gguf"].startswith(system.url)
    assert gguf.content.startswith(b"GGUF")
    assert zipfile.ZipFile(io.BytesIO(folder.content)).testzip() is None


def test_the_archive_is_whole(system, model):
    answer = system.get(f"/models/{model['ID']}/download")
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    root = f"{model['ID']}/"

    assert answer.headers["Content-Type"] == "application/zip"
    assert answer.headers["Transfer-Encoding"] == "chunked"
    day = model["created_at"][:10].replace("-", "")
    assert answer.headers["Content-Disposition"] == f"attachment; filename=model-{model['ID']}-{day}.zip"
    assert archive.testzip() is None
    assert {
        f"{root}lora_adapters/adapter_model.safetensors",
        f"{root}lora_adapters/adapter_config.json",
        f"{root}gguf/model-f16.gguf",
        f"{root}metrics.json",
        f"{root}README.md",
    } <= set(archive.namelist())


def test_the_fine_tuned_model_is_better_than_its_base(evaluation):
    assert evaluation["status"] == "completed", evaluation
    results = evaluation["results"]
    assert results["fine_tuned"]["accuracy"] > results["base_model"]["accuracy"]
    assert results["improvement"]["accuracy_delta"].startswith("+")


def test_the_results_reach_the_model(system, model, evaluation):
    figures = wait_until(lambda: system.get(f"/models/{model['ID']}").json()["model"]["eval_results"])

    assert figures["accuracy"] == evaluation["results"]["fine_tuned"]["accuracy"]


def test_a_name_that_the_server_does_not_know_fails_the_evaluation_with_those_it_knows(system, model):
    body = {"test_set_path": "datasets/test_split.json", "base_model_name": "llama3.2:3b"}
    created = system.request("POST", f"/models/{model['ID']}/evaluate", json=body).json()

    path = f"/evaluations/{created['evaluation_id']}"
    ended = wait_until(lambda: (answer := system.get(path).json())["status"] in ("completed", "failed") and answer)

    assert ended["status"] == "failed"
    assert ended["results"] is None
    assert "llama3.2:3b" in ended["error"]
    assert "example-base" in ended["error"]
    assert model["name"] in ended["error"]


def test_a_job_of_another_dataset_stays_pending(system, job):
    other = system.request("POST", "/jobs", json={"dataset_id": 2}).json()
    mine = system.request("POST", "/jobs", json={"dataset_id": 1, "configuration": {"epochs": 1}}).json()

    wait_until(lambda: system.get(f"/jobs/{mine['ID']}").json()["status"] == "completed")

    assert system.get(f"/jobs/{other['ID']}").json()["status"] == "pending"


def test_a_bad_configuration_fails_the_job_and_its_log_says_why(system):
    job = system.request("POST", "/jobs", json={"dataset_id": 1, "configuration": {"epochs": "many"}}).json()

    wait_until(lambda: system.get(f"/jobs/{job['ID']}").json()["status"] == "failed")

    errors = system.get(f"/jobs/{job['ID']}/logs?limit=100&level=error").json()["logs"]
    assert any("epochs" in line["message"] for line in errors)
