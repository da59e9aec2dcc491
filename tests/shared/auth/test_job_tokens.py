"""POST /api/v1/jobs/:id/token, and what a job's token may do: what its training needs, for its own job."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shared.auth.signing import SecretSigner
from tests.shared.auth.conftest import SECRET
from tests.support.waiting import wait_until


@pytest.fixture
def job(guarded):
    return guarded.new_job()


@pytest.fixture
def call(guarded, job):
    """Ask as the job's training does."""
    token = guarded.job_token(job)

    def call(where, method, path, **kwargs):
        return guarded.call(where, method, f"/api/v1{path}", token, **kwargs)

    return call


def test_it_works(guarded, job, call):
    answer = guarded.call("gateway", "POST", f"/api/v1/jobs/{job}/token", guarded.admin)
    record = answer.json()
    assert (answer.status_code, answer.headers["Cache-Control"]) == (201, "no-store")
    assert (set(record), record["job_id"]) == ({"token", "job_id", "expires_at"}, job)
    lasts = datetime.fromisoformat(record["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=29) < lasts <= timedelta(days=30)
    assert call("gateway", "POST", f"/jobs/{job}/logs", json={"message": "hello"}).status_code == 201


def test_a_whole_training_goes_by_it(guarded, job, call):
    assert call("logs", "PUT", f"/jobs/{job}", json={"status": "running", "kernel": "k"}).status_code == 200
    points = {"metrics": [{"step": 1, "values": {"loss": 0.5}}]}
    assert call("logs", "POST", f"/jobs/{job}/metrics", json=points).status_code == 201
    new = {"name": "M", "base_model": "b", "job_id": job}
    model = call("models", "POST", "/models", json=new).json()["ID"]
    assert [found["ID"] for found in call("models", "GET", f"/models?job_id={job}").json()["data"]] == [model]
    assert call("models", "PUT", f"/models/{model}/files/gguf/a.gguf", data=b"weights").status_code == 200
    upload = call("models", "POST", f"/models/{model}/uploads", json={"path": "big", "size": 5}).json()
    assert call("models", "GET", f"/models/{model}/uploads/{upload['upload_id']}").status_code == 200
    assert call("models", "DELETE", f"/models/{model}/uploads/{upload['upload_id']}").status_code == 200
    ready = call("models", "PUT", f"/models/{model}", json={"status": "ready", "training_metrics": {"loss": 0.5}})
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    assert call("models", "GET", f"/models/{model}").json()["model"]["job"]["ID"] == job
    assert call("logs", "PUT", f"/jobs/{job}", json={"status": "completed"}).status_code == 200


def test_of_another_job_it_learns_nothing(guarded, job, call):
    token = guarded.job_token(job)
    other, nothing = guarded.new_job(), 10**9
    model = guarded.new_model(other)
    for path in ("/jobs/{}", "/jobs/{}/logs?limit=1", "/jobs/{}/metrics"):
        theirs, none = call("logs", "GET", path.format(other)), call("logs", "GET", path.format(nothing))
        assert theirs.status_code == none.status_code == 404
        assert said(theirs, other) == said(none, nothing)
    for path in ("/models/{}", "/models/{}/files", "/models/{}/download"):
        theirs, none = call("models", "GET", path.format(model)), call("models", "GET", path.format(nothing))
        assert theirs.status_code == none.status_code == 404
        assert said(theirs, model) == said(none, nothing)
    run = {"run_id": str(other), "key": "a", "value": "1"}
    path = "/mlflow/api/2.0/mlflow/runs/set-tag"
    theirs = guarded.call("logs", "POST", path, token, json=run)
    none = guarded.call("logs", "POST", path, token, json=run | {"run_id": str(nothing)})
    assert said(theirs, other) == said(none, nothing)
    assert theirs.json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"


def said(answer, number):
    return answer.json()["message"].replace(str(number), "N"), answer.status_code


@pytest.mark.parametrize("body", [{"job_id": 10**6}, {"job_id": None}, {}])
def test_it_makes_no_model_of_another_job(call, body):
    answer = call("models", "POST", "/models", json={"name": "M", "base_model": "b", **body})
    assert answer.status_code == 403
    assert "job_id" in answer.json()["message"]


def test_it_reaches_no_files_of_others_by_a_path_of_its_choice(guarded, job, call):
    body = {"name": "M", "base_model": "b", "job_id": job}
    for path in ("1", "somebody/else"):
        assert call("models", "POST", "/models", json={**body, "storage_path": path}).status_code == 403
    model = call("models", "POST", "/models", json=body).json()["ID"]
    assert call("models", "PUT", f"/models/{model}", json={"gguf_path": "1/gguf"}).status_code == 422
    assert call("models", "PUT", f"/models/{model}", json={"storage_path": "1"}).status_code == 422


def test_it_does_not_judge_its_model(guarded, job, call):
    model = guarded.new_model(job)
    answer = call("models", "PUT", f"/models/{model}", json={"eval_results": {"accuracy": 1.0}})
    assert answer.status_code == 403
    assert (
        guarded.call("models", "GET", f"/api/v1/models/{model}", guarded.admin).json()["model"]["eval_results"] is None
    )


def test_it_dies_with_the_token_of_whoever_asked_for_it(guarded, job):
    maker = guarded.tokens.add("short-lived", "write")
    path = f"/api/v1/jobs/{job}"
    guarded.tokens.wait_until_read()
    token = guarded.job_token(job, maker)
    assert guarded.call("logs", "GET", path, token).status_code == 200

    guarded.tokens.add("short-lived", "write")  # another token of the same name
    guarded.tokens.wait_until_read()

    assert {guarded.call("logs", "GET", path, token).status_code for _ in range(20)} == {401}
    guarded.tokens.remove("short-lived")


def test_a_kernel_gets_tokens_of_the_jobs_that_it_claimed_under_its_name(guarded):
    kernel = guarded.tokens.add("gpu-7", "kernel")
    mine, anothers = guarded.new_job(), guarded.new_job()
    guarded.tokens.wait_until_read()

    def claim(job, name):
        body = {"status": "running", "kernel": name}
        return guarded.call("logs", "PUT", f"/api/v1/jobs/{job}", kernel, json=body).status_code

    assert guarded.call("logs", "POST", f"/api/v1/jobs/{mine}/token", kernel).status_code == 403
    assert (claim(mine, "gpu-7"), claim(anothers, "gpu-8")) == (200, 403)
    token = guarded.job_token(mine, kernel)
    assert guarded.call("logs", "POST", f"/api/v1/jobs/{mine}/logs", kernel, json={"message": "x"}).status_code == 403
    assert guarded.call("logs", "POST", f"/api/v1/jobs/{mine}/logs", token, json={"message": "x"}).status_code == 201
    assert guarded.call("logs", "PUT", f"/api/v1/jobs/{mine}", kernel, json={"status": "failed"}).status_code == 403
    assert guarded.call("logs", "PUT", f"/api/v1/jobs/{mine}", token, json={"status": "failed"}).status_code == 200


def test_it_makes_no_token_of_its_own_and_logs_no_console_in(guarded, job):
    token = guarded.job_token(job)
    assert guarded.call("logs", "POST", f"/api/v1/jobs/{job}/token", token).status_code == 403
    assert guarded.call("logs", "POST", "/api/v1/session", json={"token": token}).status_code == 401


def test_one_kind_of_signature_is_no_other_and_neither_is_one_of_another_secret(guarded, job):
    signed = {"n": "admin", "f": guarded.tokens.entries["admin"][0][:16], "j": job, "p": "/", "q": []}
    ours, theirs = SecretSigner(SECRET), SecretSigner("another secret, of more than 32 bytes too")
    later, earlier = datetime.now(UTC) + timedelta(hours=1), datetime.now(UTC) - timedelta(seconds=1)
    path = f"/api/v1/jobs/{job}"
    good = "tj_" + ours.sign("job", signed, later)
    assert guarded.call("logs", "GET", path, good).status_code == 200
    assert guarded.call("logs", "GET", path, "ts_" + ours.sign("service", {"n": "models"}, later)).status_code == 200
    for bad in (
        "ts_" + ours.sign("service", {"n": "models"}, earlier),
        "ts_" + theirs.sign("service", {"n": "models"}, later),
        "tj_" + ours.sign("ticket", signed, later),
        "tj_" + ours.sign("session", signed, later),
        "ts_" + ours.sign("job", signed, later),
        "tj_" + theirs.sign("job", signed, later),
        "tj_" + ours.sign("job", signed, earlier),
        "tj_" + ours.sign("job", signed | {"f": "0" * 16}, later),
        good[:-1],
        good + "x" * 5000,
        "tj_",
        "ts_" + "." * 100,
    ):
        assert guarded.call("logs", "GET", path, bad).status_code == 401, bad


def test_a_secret_is_changed_without_ending_what_was_signed():
    later, first = datetime.now(UTC) + timedelta(hours=1), "the first secret, of more than 32 bytes"
    second = "the second secret, of more than 32 bytes"
    text = SecretSigner(first).sign("job", {"j": 1}, later)
    changed = SecretSigner(second, previous=first)
    assert changed.read("job", text)[0]["j"] == 1
    assert SecretSigner(second).read("job", text) is None
    assert SecretSigner(first).read("job", changed.sign("job", {"j": 1}, later)) is None


def test_what_was_read_once_ends_all_the_same():
    signer, soon = SecretSigner(SECRET), datetime.now(UTC) + timedelta(seconds=2)
    text = signer.sign("job", {"j": 1}, soon)
    assert signer.read("job", text) is not None
    wait_until(lambda: signer.read("job", text) is None)


def test_it_is_409_where_authentication_is_off(logs):
    job = logs.post("/api/v1/jobs", json={"dataset_id": 1}).json()["ID"]
    assert logs.post(f"/api/v1/jobs/{job}/token").status_code == 409
    assert logs.get(f"/api/v1/jobs/{job}", headers={"Authorization": "Bearer whatever"}).status_code == 200
