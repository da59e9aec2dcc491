"""Jobs from their claim to their end, against the stand-in."""

from __future__ import annotations

import json
import re
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from examples.kernel import formats
from examples.kernel.api import Api
from examples.kernel.job_runner import JobRunner, duration
from examples.kernel.model import Classifier
from examples.kernel.served_models import ServedModels
from examples.kernel.settings import Settings

if TYPE_CHECKING:
    from tests.kernel.conftest import StandIn


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


@pytest.fixture
def served_models(settings: Settings, base: Classifier) -> ServedModels:
    return ServedModels(settings.folder / "models", base)


@pytest.fixture
def kernel(settings: Settings, base: Classifier, served_models: ServedModels, stop: threading.Event) -> JobRunner:
    api = Api(settings.logs_url, settings.api_url)
    return JobRunner(settings, api, base, served_models, stop, poll=0.05, max_backoff=0.1)


def test_it_works(services: StandIn, kernel: JobRunner, served_models: ServedModels) -> None:
    job_id = services.add_job(epochs=3)
    kernel.run_pending_jobs()
    assert services.jobs[job_id]["status"] == "completed"
    (model,) = services.models.values()
    name = f"Model from Job {job_id}"
    metrics = model.pop("training_metrics")
    assert model == {
        "ID": model["ID"],
        "name": name,
        "served_name": name,
        "description": "Fine-tuned model from dataset: Sentiment Analysis",
        "base_model": "example-base",
        "type": "lora",
        "job_id": job_id,
        "status": "ready",
    }
    assert metrics["accuracy"] > 0.85
    assert metrics["epochs"] == 3
    assert re.fullmatch("[0-9]+s", metrics["training_time"])
    assert sorted(services.files) == [(model["ID"], path) for path in sorted(formats.FILES)]
    text = services.text(job_id)
    assert text.startswith(f"[info] Starting training job {job_id}")
    assert "[info] Epoch 3/3 - Loss: 0." in text
    assert text.endswith(f"is ready: {name}")
    assert served_models.names() == ["example-base", name]


def test_the_lines_come_while_it_trains(services: StandIn, kernel: JobRunner) -> None:
    job_id = services.add_job(epochs=40)
    seen: list[int] = []
    services.before = lambda method, path: seen.append(len(services.logs[job_id]))
    kernel.run_pending_jobs()
    assert any(0 < lines < 40 for lines in seen)


def test_it_leaves_other_datasets_to_other_kernels(services: StandIn, kernel: JobRunner) -> None:
    job_id = services.add_job(dataset_id=2)
    kernel.run_pending_jobs()
    assert services.jobs[job_id]["status"] == "pending"


def test_it_reads_all_pages(services: StandIn, kernel: JobRunner) -> None:
    others = [services.add_job(dataset_id=2) for _ in range(100)]
    job_id = services.add_job(epochs=1)
    kernel.run_pending_jobs()
    assert services.jobs[job_id]["status"] == "completed"
    assert services.jobs[others[-1]]["status"] == "pending"


def test_another_kernel_may_be_faster(services: StandIn, kernel: JobRunner) -> None:
    lost, won = services.add_job(epochs=1), services.add_job(epochs=1)

    def claim_first(method: str, path: str) -> None:
        if (method, path) == ("PUT", f"/jobs/{lost}"):
            services.jobs[lost]["status"], services.kernels[lost] = "running", "other"

    services.before = claim_first
    kernel.run_pending_jobs()
    assert services.jobs[lost]["status"] == "running"
    assert services.logs[lost] == []
    assert services.jobs[won]["status"] == "completed"


def test_a_cancelled_job_stops(services: StandIn, kernel: JobRunner) -> None:
    job_id = services.add_job(epochs=1000)
    checks: list[str] = []

    def cancel_after_two_epochs(method: str, path: str) -> None:
        if (method, path) == ("GET", f"/jobs/{job_id}"):
            checks.append(path)
            if len(checks) == 2:
                services.jobs[job_id]["status"] = "cancelled"

    services.before = cancel_after_two_epochs
    kernel.run_pending_jobs()
    text = services.text(job_id)
    assert "Epoch 2/1000" in text
    assert "Epoch 3/1000" not in text
    assert text.endswith("[warn] The job was ended from outside (cancelled): work on it stops here")
    assert services.jobs[job_id]["status"] == "cancelled"
    assert services.models == {}


@pytest.mark.faults
def test_a_cancelled_jobs_last_lines_arrive_where_the_service_is_slow(services: StandIn, kernel: JobRunner) -> None:
    job_id = services.add_job(epochs=1000)

    def cancel_and_take_time(method: str, path: str) -> None:
        if services.logs[job_id]:
            services.jobs[job_id]["status"] = "cancelled"
        if method == "POST" and path.endswith("/logs"):
            time.sleep(1.5)  # longer than a handler's close waits

    services.before = cancel_and_take_time
    kernel.run_pending_jobs()
    assert services.text(job_id).endswith("[warn] The job was ended from outside (cancelled): work on it stops here")


def test_a_failure_leaves_its_traceback_in_the_log(
    services: StandIn, kernel: JobRunner, served_models: ServedModels
) -> None:
    job_id = services.add_job(epochs=1)
    services.refuse(422, "PUT", formats.GGUF)
    kernel.run_pending_jobs()
    text = services.text(job_id)
    assert f"[error] Job {job_id} failed\nTraceback (most recent call last):" in text
    assert "stand-in says 422" in text
    assert services.jobs[job_id]["status"] == "failed"
    assert [model["status"] for model in services.models.values()] == ["error"]
    assert served_models.names() == ["example-base"]


def test_it_waits_for_services_that_are_away(services: StandIn, kernel: JobRunner) -> None:
    job_id = services.add_job(epochs=1)
    for method, path in [
        ("PUT", f"/jobs/{job_id}"),
        ("POST", "/models"),
        ("PUT", formats.ADAPTER),
        ("PUT", f"/jobs/{job_id}"),
    ]:
        services.refuse(503, method, path)
    kernel.run_pending_jobs()
    assert services.jobs[job_id]["status"] == "completed"
    assert [model["status"] for model in services.models.values()] == ["ready"]


def test_it_registers_one_model_though_the_answer_was_lost(services: StandIn, kernel: JobRunner) -> None:
    job_id = services.add_job(epochs=1)
    name = f"Model from Job {job_id}"
    ours = services.add_model({"name": name, "base_model": "example-base", "job_id": job_id, "status": "uploading"})
    kernel.run_pending_jobs()
    assert list(services.models) == [ours["ID"]]
    assert ours["status"] == "ready"


def test_a_bad_configuration_fails_the_job(services: StandIn, kernel: JobRunner) -> None:
    job_id = services.add_job(epochs="many", colour="blue")
    kernel.run_pending_jobs()
    assert services.jobs[job_id]["status"] == "failed"
    assert services.text(job_id).splitlines()[1:] == [
        "[warn] Unknown configuration key 'colour' is ignored",
        "[error] Bad configuration: epochs must be an integer, 1 to 1000, not 'many'",
    ]


def test_a_stopped_kernel_fails_its_job(services: StandIn, kernel: JobRunner, stop: threading.Event) -> None:
    job_id, next_job_id = services.add_job(epochs=1000), services.add_job()
    services.before = lambda method, path: stop.set() if path == f"/jobs/{job_id}/logs" else None
    kernel.run_pending_jobs()
    assert services.jobs[job_id]["status"] == "failed"
    assert services.text(job_id).endswith("[error] The kernel was stopped while it worked on this job")
    assert services.jobs[next_job_id]["status"] == "pending"


def test_it_ends_what_an_earlier_process_left_running(services: StandIn, kernel: JobRunner) -> None:
    ours, others = services.add_job(status="running"), services.add_job(status="running")
    services.kernels |= {ours: "example", others: "other"}
    name = f"Model from Job {ours}"
    model = services.add_model({"name": name, "base_model": "example-base", "job_id": ours, "status": "uploading"})
    strange = services.add_model({"name": "Mine", "base_model": "example-base", "job_id": ours, "status": "uploading"})
    kernel.end_leftovers()
    assert services.jobs[ours]["status"] == "failed"
    assert services.text(ours) == "[error] The kernel was restarted while it worked on this job"
    assert (model["status"], strange["status"]) == ("error", "uploading")
    assert services.jobs[others]["status"] == "running"
    assert services.logs[others] == []


def test_it_brings_the_test_split(services: StandIn, kernel: JobRunner) -> None:
    kernel.put_test_split()
    rows = json.loads(services.datasets["test_split.json"])
    assert {"input": "I love this product!", "expected": "positive"} in rows
    services.datasets["test_split.json"] = b"somebody's own"
    kernel.put_test_split()
    assert services.datasets["test_split.json"] == b"somebody's own"


def test_it_outlives_an_outage(services: StandIn, kernel: JobRunner, stop: threading.Event) -> None:
    job_id = services.add_job(epochs=1)
    asked, done = threading.Semaphore(0), threading.Event()

    def look(method: str, path: str) -> None:
        asked.release()
        if services.jobs[job_id]["status"] == "completed" and "test_split.json" in services.datasets:
            done.set()

    services.before = look
    services.away = True
    thread = threading.Thread(target=kernel.run)
    thread.start()
    for _ in range(6):
        assert asked.acquire(timeout=30)
    services.away = False
    assert done.wait(30)
    stop.set()
    thread.join(30)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.1, "1s"), (3, "3s"), (59.5, "1m 0s"), (75, "1m 15s"), (8100, "2h 15m")]
)
def test_a_duration_reads_well(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize("asks", [True, False])
def test_it_works_by_the_job_s_own_token_where_there_are_tokens(
    services: StandIn,
    settings: Settings,
    base: Classifier,
    served_models: ServedModels,
    stop: threading.Event,
    asks: bool,
) -> None:
    services.asks_for_tokens = asks
    job_id = services.add_job(epochs=1)
    api = Api(settings.logs_url, settings.api_url, "the kernel's")
    JobRunner(replace(settings, token="the kernel's"), api, base, served_models, stop).run_pending_jobs()
    assert services.jobs[job_id]["status"] == "completed"
    claim = services.seen.index(("POST", f"/api/v1/jobs/{job_id}/token", "Bearer the kernel's"))
    assert {sent for _, _, sent in services.seen[: claim + 1]} == {"Bearer the kernel's"}
    if asks:
        assert {sent for _, _, sent in services.seen[claim + 1 :]} == {f"Bearer token of job {job_id}"}


def test_it_sends_no_token_to_where_a_link_leads(services: StandIn, settings: Settings) -> None:
    services.files[1, "gguf/model-f16.gguf"] = b"GGUF"
    api = Api(settings.logs_url, settings.api_url, "the kernel's")
    assert api.download(f"{services.url}/api/v1/links/1/model-f16.gguf?signature=x") == b"GGUF"
    assert services.seen[-1][2] is None
