"""MLflow's tracking API below /mlflow/api/2.0/mlflow, with bodies as its clients send them"""

import json
import threading

import pytest
import requests

from tests.support.databases import on, one_database

API = "/mlflow/api/2.0/mlflow"
AT_MS = 1771497045123
UNKNOWN = str(10**9)


@pytest.fixture
def call(logs):
    """Call an endpoint as MLflow's client does; its answer, which must be a success."""

    def call(path, **body):
        method = logs.get if path.partition("/")[2].startswith("get") else logs.post
        answer = method(f"{API}/{path}", **{"params" if method == logs.get else "json": body})
        assert answer.status_code == 200, answer.text
        return answer.json()

    return call


@pytest.fixture
def new_run(call):
    """Start a run and return its id."""

    def new_run(**fields):
        sent = {"experiment_id": "0", "user_id": "root", "start_time": AT_MS, "tags": [], **fields}
        return call("runs/create", **sent)["run"]["info"]["run_id"]

    return new_run


@pytest.fixture
def show(logs):
    def show(job):
        return logs.get(f"/api/v1/jobs/{job}").json()

    return show


def curves(logs, job):
    shown = logs.get(f"/api/v1/jobs/{job}/metrics").json()
    return shown["source"], {
        series["name"]: [(step, value) for step, value, _, _ in series["points"]] for series in shown["series"]
    }


def point(key, value, step=None, timestamp=AT_MS):
    return {"key": key, "value": value, "timestamp": timestamp} | ({} if step is None else {"step": step})


def refused(answer, status, error_code):
    assert (answer.status_code, answer.json()["error_code"]) == (status, error_code), answer.text
    assert set(answer.json()) == {"error_code", "message"}
    assert answer.json()["message"]
    assert answer.headers["X-Request-ID"]
    return answer.json()["message"]


def test_it_works(logs, call, new_run, show):
    run = new_run(run_name="first", tags=[{"key": "mlflow.user", "value": "root"}])
    job = show(run)
    assert (job["name"], job["kernel"], job["status"], job["dataset_id"]) == ("first", "mlflow", "running", None)

    call("runs/log-batch", run_id=run, metrics=[point("loss", 0.5, 1), point("loss", 0.25, 2), point("lr", 1, 2)])
    call("runs/log-metric", run_uuid=run, run_id=run, **point("eval/loss", 0.75, 2))
    call("runs/log-parameter", run_id=run, key="epochs", value="3")
    call("runs/set-tag", run_id=run, key="team", value="red")
    update = call("runs/update", run_id=run, status="FINISHED", end_time=AT_MS)

    assert (update["run_info"]["status"], show(run)["status"]) == ("FINISHED", "completed")
    assert curves(logs, run) == (
        "reported",
        {"eval/loss": [(2, 0.75)], "loss": [(1, 0.5), (2, 0.25)], "lr": [(2, 1.0)]},
    )
    shown = call("runs/get", run_id=run)["run"]
    assert shown["data"] == {
        "metrics": [point("eval/loss", 0.75, 2), point("loss", 0.25, 2), point("lr", 1.0, 2)],
        "params": [{"key": "epochs", "value": "3"}],
        "tags": [{"key": "mlflow.user", "value": "root"}, {"key": "team", "value": "red"}],
    }
    assert (shown["info"]["run_id"], shown["info"]["experiment_id"]) == (run, "0")
    assert shown["info"]["end_time"] >= shown["info"]["start_time"] > AT_MS


def test_there_is_one_experiment_by_any_name(call):
    for name in ("Default", "my experiment"):
        experiment = call("experiments/get-by-name", experiment_name=name)["experiment"]
        assert (experiment["experiment_id"], experiment["name"]) == ("0", name)
    assert call("experiments/create", name="new", artifact_location="s3://x")["experiment_id"] == "0"
    assert call("experiments/get", experiment_id="0")["experiment"]["lifecycle_stage"] == "active"


def test_a_run_of_a_pending_job_claims_it(call, new_job, show):
    job = new_job(name="mine")
    assert call("runs/get", run_id=job)["run"]["info"]["status"] == "SCHEDULED"
    info = call("runs/update", run_id=str(job), status="RUNNING", run_name="theirs")["run_info"]
    assert (info["status"], info["run_name"]) == ("RUNNING", "mine")
    assert (show(job)["kernel"], show(job)["status"], show(job)["dataset_id"]) == ("mlflow", "running", 1)


@pytest.mark.parametrize(("theirs", "ours"), [("FINISHED", "completed"), ("FAILED", "failed"), ("KILLED", "cancelled")])
def test_a_run_ends_its_job(call, new_run, new_job, show, theirs, ours):
    for run in (new_run(), new_job()):
        assert call("runs/update", run_id=run, status=theirs)["run_info"]["status"] == theirs
        assert show(run)["status"] == ours
        assert show(run)["completed_at"] is not None


def test_a_run_that_ends_ends_its_stream(call, new_run, open_stream):
    run = new_run()
    stream = open_stream(run)
    call("runs/update", run_id=run, status="FINISHED")
    assert b"event: end" in stream.content


def test_a_run_that_is_resumed_stays_as_it_ended(call, new_run, show):
    run = new_run()
    call("runs/update", run_id=run, status="FAILED")
    ended = show(run)
    for status in ("RUNNING", "FINISHED"):
        assert call("runs/update", run_id=run, status=status, run_name="again")["run_info"]["status"] == "FAILED"
    assert show(run) == ended


def test_a_run_that_has_no_name_is_named(call, new_run, show):
    run = new_run()
    assert show(run)["name"] is None
    assert call("runs/get", run_id=run)["run"]["info"]["run_name"] == f"job {run}"
    call("runs/update", run_id=run, run_name="named")
    assert (show(run)["name"], show(run)["status"]) == ("named", "running")


def test_another_kernel_s_job_takes_metrics_and_no_status(logs, call, job, put, show):
    """Under `tunedeck run` the exit code decides."""
    put(job, status="running", kernel="tunedeck run")
    for status in ("RUNNING", "FAILED"):
        assert call("runs/update", run_id=job, status=status)["run_info"]["status"] == "RUNNING"
    call("runs/log-metric", run_id=job, **point("loss", 1, 1))
    assert (show(job)["status"], show(job)["kernel"]) == ("running", "tunedeck run")
    assert curves(logs, job)[1] == {"loss": [(1, 1.0)]}


def test_a_job_that_has_ended_stays_as_it_is_and_takes_late_metrics(logs, call, job, put, show):
    put(job, status="cancelled")
    ended = show(job)
    for status in ("RUNNING", "FINISHED"):
        assert call("runs/update", run_id=job, status=status)["run_info"]["status"] == "KILLED"
    call("runs/log-batch", run_id=job, metrics=[point("accuracy", 0.9)], params=[{"key": "a", "value": "b"}])
    assert show(job) == ended
    assert curves(logs, job)[1] == {"accuracy": [(0, 0.9)]}


def test_a_divergence_is_kept_bare_or_in_a_string(logs, call, new_run):
    run = new_run()
    values = [float("nan"), float("inf"), "-Infinity", "NaN", 1e308]
    body = {"run_id": run, "metrics": [point("loss", value, step) for step, value in enumerate(values)]}
    answer = logs.post(f"{API}/runs/log-batch", data=json.dumps(body), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()) == (200, {})
    shown = ["NaN", "Infinity", "-Infinity", "NaN", 1e308]
    assert curves(logs, run)[1]["loss"] == list(enumerate(shown))
    history = call("metrics/get-history", run_id=run, metric_key="loss")
    assert [entry["value"] for entry in history["metrics"]] == shown


def test_numbers_of_64_bits_may_come_in_strings(logs, call, new_run):
    """As protobuf's JSON has them, which clients in Java and R write; an empty value it leaves out."""
    run = new_run()
    call("runs/log-batch", run_id=run, metrics=[point("a", 1, "7", str(AT_MS))], params=[{"key": "empty"}])
    assert call("runs/get", run_id=run)["run"]["data"]["metrics"] == [point("a", 1.0, 7)]
    assert call("runs/get", run_id=run)["run"]["data"]["params"] == [{"key": "empty", "value": ""}]


def test_what_is_logged_again_is_replaced(call, new_run):
    run = new_run()
    for value in ("1", "2"):
        call("runs/log-parameter", run_id=run, key="lr", value=value)
        tags = [{"key": "t", "value": "old"}, {"key": "t", "value": value}]
        call("runs/log-batch", run_id=run, tags=tags, metrics=[point("loss", int(value), 5)])
    data = call("runs/get", run_id=run)["run"]["data"]
    assert data["params"] == [{"key": "lr", "value": "2"}]
    assert data["tags"] == [{"key": "t", "value": "2"}]
    assert data["metrics"] == [point("loss", 2.0, 5)]


def test_a_history_comes_in_pages(call, new_run):
    run = new_run()
    call("runs/log-batch", run_id=run, metrics=[point("loss", step, step) for step in range(0, 50, 2)])
    seen, token = [], None
    for _ in range(10):
        page = call(
            "metrics/get-history",
            run_id=run,
            metric_key="loss",
            max_results=10,
            **({"page_token": token} if token else {}),
        )
        seen += [entry["step"] for entry in page["metrics"]]
        token = page.get("next_page_token")
        if token is None:
            break
    assert seen == list(range(0, 50, 2))
    assert call("metrics/get-history", run_id=run, metric_key="none")["metrics"] == []


def test_a_training_is_heard_of_by_what_it_logs(call, new_job, show):
    job = new_job()
    assert show(job)["last_seen_at"] is None
    call("runs/log-batch", run_id=job, params=[{"key": "a", "value": "1"}])
    assert show(job)["last_seen_at"] is not None


def test_parameters_do_not_touch_the_configuration(call, new_job, show):
    job = new_job(configuration={"lr": 1})
    call("runs/log-parameter", run_id=job, key="lr", value="2")
    assert show(job)["configuration"] == {"lr": 1}


def test_all_of_it_goes_with_the_log(logs, call, new_run):
    run = new_run()
    call("runs/log-batch", run_id=run, metrics=[point("a", 1)], params=[{"key": "hub_token", "value": "secret"}])
    assert logs.delete(f"/api/v1/jobs/{run}/logs").status_code == 200
    assert call("runs/get", run_id=run)["run"]["data"] == {"metrics": [], "params": [], "tags": []}
    for path in ("log-parameter", "set-tag", "log-metric"):
        body = {"run_id": run, "key": "a", "value": 1 if path == "log-metric" else "1", "timestamp": AT_MS}
        refused(logs.post(f"{API}/runs/{path}", json=body), 410, "RESOURCE_DOES_NOT_EXIST")


@pytest.mark.parametrize("kind", ["params", "tags"])
def test_a_batch_is_stored_whole_or_not_at_all(logs, call, new_run, kind):
    run = new_run()
    entries = [{"key": f"{n:04}", "value": "1"} for n in range(2_001)]
    for first in (0, 1_000):
        call("runs/log-batch", run_id=run, **{kind: entries[first : first + 1_000]})
    body = {"run_id": run, "metrics": [point("a", 1, 1)], kind: entries[1_999:]}
    assert "2000" in refused(logs.post(f"{API}/runs/log-batch", json=body), 422, "INVALID_PARAMETER_VALUE")
    data = call("runs/get", run_id=run)["run"]["data"]
    assert (data["metrics"], data[kind]) == ([], entries[:2_000])
    call("runs/log-batch", run_id=run, **{kind: entries[:10]})


def test_many_trainings_at_once(logs, call, new_run):
    """The ranks of one training report to one run, on both workers."""
    run = new_run()

    def log(rank):
        with requests.Session() as session:
            for step in range(20):
                entries = [{"key": f"p{n}", "value": str(rank)} for n in range(5)]
                body = {
                    "run_id": run,
                    "metrics": [point(f"rank{rank}", step, step)],
                    "params": entries,
                    "tags": entries,
                }
                answers.append(session.post(f"{logs.url}{API}/runs/log-batch", json=body, timeout=30).status_code)

    answers = []
    ranks = [threading.Thread(target=log, args=(rank,)) for rank in range(6)]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join()
    assert answers == [200] * 120
    assert {name: len(points) for name, points in curves(logs, run)[1].items()} == {f"rank{n}": 20 for n in range(6)}
    assert len(call("runs/get", run_id=run)["run"]["data"]["params"]) == 5


@on("sqlite")
def test_a_thousand_metrics_are_a_batch(logs, call, new_run):
    run = new_run()
    metrics = [point(f"m{n % 10}", n, n // 10) for n in range(1_001)]
    call("runs/log-batch", run_id=run, metrics=metrics[:1_000])
    assert {len(points) for points in curves(logs, run)[1].values()} == {100}
    refused(
        logs.post(f"{API}/runs/log-batch", json={"run_id": run, "metrics": metrics}), 422, "INVALID_PARAMETER_VALUE"
    )


@pytest.mark.parametrize("run", [UNKNOWN, "no-number", "0", "4bf92f3577b34da6a3ce929d0e0e4736", "9" * 25, "٣"])
def test_it_rejects_an_unknown_run(logs, run):
    for path in ("runs/get", "metrics/get-history"):
        answer = logs.get(f"{API}/{path}", params={"run_id": run, "metric_key": "a"})
        refused(answer, 404, "RESOURCE_DOES_NOT_EXIST")
    for path in ("update", "log-metric", "log-batch", "log-parameter", "set-tag"):
        body = {"run_id": run, "key": "a", "value": 1 if path == "log-metric" else "1"}
        refused(logs.post(f"{API}/runs/{path}", json=body), 404, "RESOURCE_DOES_NOT_EXIST")


@one_database
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("runs/update", {"status": "DONE"}),
        ("runs/log-metric", {"value": 1}),
        ("runs/log-metric", {"key": "a", "value": "one"}),
        ("runs/log-metric", {"key": "a", "value": None}),
        ("runs/log-metric", {"key": "a", "value": 1, "step": -1}),
        ("runs/log-metric", {"key": "a", "value": 1, "step": 1.5}),
        ("runs/log-metric", {"key": "a", "value": 1, "step": "1.5"}),
        ("runs/log-metric", {"key": "a", "value": 1, "timestamp": 2**62}),
        ("runs/log-metric", {"key": "a", "value": 1, "timestamp": -1}),
        ("runs/log-metric", {"key": "a" * 256, "value": 1}),
        ("runs/log-metric", {"key": "a\0", "value": 1}),
        ("runs/log-batch", {"metrics": {}}),
        ("runs/log-batch", {"metrics": [{"key": "a", "value": float("nan"), "step": 10**400}]}),
        ("runs/log-batch", {"tags": [{"key": "a", "value": "\ud800"}], "x": float("nan")}),
        ("runs/log-parameter", {"key": "a", "value": "x" * 8_001}),
        ("runs/log-parameter", {"key": "a", "value": 1}),
        ("runs/set-tag", {"key": "", "value": "1"}),
    ],
)
def test_it_rejects_a_bad_field(logs, job, path, body):
    sent = json.dumps({"run_id": str(job), **body})
    answer = logs.post(f"{API}/{path}", data=sent, headers={"Content-Type": "application/json"})
    refused(answer, 422, "INVALID_PARAMETER_VALUE")


@one_database
def test_an_integer_beyond_a_float_is_no_500(logs, new_job, call):
    sent = f'{{"run_id": "{new_job()}", "metrics": [{{"key": "a", "value": NaN}}, {{"key": "b", "value": {10**400}}}]}}'
    answer = logs.post(f"{API}/runs/log-batch", data=sent, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200


@one_database
@pytest.mark.parametrize(
    "path",
    [
        "/mlflow/api/2.0/mlflow/runs/search",
        "/mlflow/api/2.0/mlflow/registered-models/create",
        "/mlflow/api/3.0/mlflow/traces",
        "/mlflow/api/2.0/mlflow/runs/get/",
        "/mlflow/version",
        "/mlflow/",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_it_rejects_another_part_of_mlflow(logs, path, method):
    refused(logs.request(method, path, json={}), 404, "ENDPOINT_NOT_FOUND")


@one_database
def test_it_rejects_an_artifact_and_says_what_to_do(logs, job):
    path = f"/mlflow/api/2.0/mlflow-artifacts/artifacts/{job}/model.safetensors"
    for method, body in (("PUT", b"x" * 3_000_000), ("GET", b"")):
        message = refused(logs.request(method, path, data=body), 404, "ENDPOINT_NOT_FOUND")
        assert "tunedeck push" in message
    refused(logs.get(f"{API}/artifacts/list", params={"run_id": job}), 404, "ENDPOINT_NOT_FOUND")


@one_database
def test_the_framework_s_errors_have_mlflow_s_shape(logs, job):
    answer = logs.get(f"{API}/runs/log-batch")
    refused(answer, 405, "ENDPOINT_NOT_FOUND")
    assert "POST" in answer.headers["Allow"]
    as_json = {"Content-Type": "application/json"}
    refused(
        logs.post(f"{API}/runs/set-tag", data="a=b", headers={"Content-Type": "text/plain"}),
        415,
        "INVALID_PARAMETER_VALUE",
    )
    for body in (b"", b"{", b"[" * 100_000, b'{"a": nan}', b"\xff"):
        refused(logs.post(f"{API}/runs/log-batch", data=body, headers=as_json), 400, "BAD_REQUEST")
    for body in (b"[]", b"1", b"null", b'{"run_id": "1", "metrics": 1}', b"NaN"):
        refused(logs.post(f"{API}/runs/log-batch", data=body, headers=as_json), 422, "INVALID_PARAMETER_VALUE")
    for path, size in (("set-tag", 2**20), ("log-batch", 8 * 2**20)):
        refused(
            logs.post(f"{API}/runs/{path}", data=b" " * (size + 1), headers=as_json), 413, "INVALID_PARAMETER_VALUE"
        )
    refused(logs.get(f"{API}/runs/get"), 422, "INVALID_PARAMETER_VALUE")
    assert logs.head(f"{API}/runs/search").status_code == 404
    assert logs.get("/api/v1/nothing").json()["code"] == 404
