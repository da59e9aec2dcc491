"""What an operator sees: a JSON line for each request, one id all the way, metrics of each process."""

from __future__ import annotations

import json
import re
import uuid

import pytest
import requests

from tests.support.waiting import wait_until

SERVICES = ("logs", "models", "evaluations")


def lines(system, part):
    return [json.loads(line) for line in (system.data_dir / "logs" / f"{part}.log").read_text().splitlines()]


def lines_of(system, part, request_id):
    """Wait for what a part logs of a request: a line is written once the answer is out."""
    return wait_until(lambda: [line for line in lines(system, part) if line.get("request_id") == request_id])


def call(system, method, path, **kwargs):
    """Make a request through the gateway; return its answer and its id."""
    request_id = uuid.uuid4().hex
    return system.request(method, path, headers={"X-Request-ID": request_id}, **kwargs), request_id


@pytest.fixture(scope="module")
def job(system):
    return system.request("POST", "/jobs", json={"dataset_id": 404}).json()["ID"]


@pytest.fixture(scope="module")
def model(system):
    record = system.request("POST", "/models", json={"name": "m", "base_model": "b"}).json()
    system.request("PUT", f"/models/{record['ID']}/files/a", data=b"x" * 1000)
    assert system.request("PUT", f"/models/{record['ID']}", json={"status": "ready"}).status_code == 200
    return record["ID"]


def test_it_works(system, job):
    answer, request_id = call(system, "GET", f"/jobs/{job}?secret=sesame")
    assert answer.headers["X-Request-ID"] == request_id

    (line,) = lines_of(system, "logs", request_id)
    assert line["route"] == "/api/v1/jobs/:job_id"
    assert (line["event"], line["process"], line["method"], line["status"]) == ("request", "logs", "GET", 200)
    assert (line["job_id"], line["bytes"]) == (job, len(answer.content))
    assert line["ms"] > 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line["time"])
    (line,) = lines_of(system, "gateway", request_id)
    assert (line["process"], line["status"], line["request"]["uri"]) == ("gateway", 200, f"/api/v1/jobs/{job}?")
    assert "sesame" not in (system.data_dir / "logs" / "gateway.log").read_text()


def test_an_id_goes_through_every_service_and_comes_back(system, model):
    rows = json.dumps([{"input": "a", "expected": "b"}])
    name = f"observed-{uuid.uuid4().hex}"
    assert system.request("PUT", f"/datasets/{name}", data=rows).status_code == 200

    answer, request_id = call(system, "POST", f"/models/{model}/evaluate", json={"test_set_path": f"datasets/{name}"})

    assert (answer.status_code, answer.headers["X-Request-ID"]) == (202, request_id)
    for part in ("gateway", "evaluations", "models"):
        assert {line.get("status") for line in lines_of(system, part, request_id)} <= {200, 202}
    evaluation = answer.json()["evaluation_id"]
    worked = wait_until(
        lambda: [
            line
            for line in lines(system, "models")
            if line.get("request_id", "").startswith(f"evaluation-{evaluation}-")
        ]
    )
    assert worked[0]["model_id"] == model


def test_pushes_that_go_well_are_counted_and_not_logged(system, job):
    for path, body in (("logs", {"message": "x"}), ("metrics", {"metrics": [{"step": 1, "values": {"loss": 1}}]})):
        before = counted(system, "logs", "POST", f"/api/v1/jobs/:job_id/{path}", 201)
        answer, pushed = call(system, "POST", f"/jobs/{job}/{path}", json=body)
        assert answer.status_code == 201
        answer, refused = call(system, "POST", f"/jobs/{job}/{path}", json={"nonsense": 1})
        assert answer.status_code == 422

        (line,) = lines_of(system, "logs", refused)
        assert (line["route"], line["status"]) == (f"/api/v1/jobs/:job_id/{path}", 422)
        for part in ("gateway", "logs"):
            assert pushed not in (system.data_dir / "logs" / f"{part}.log").read_text()
        assert counted(system, "logs", "POST", f"/api/v1/jobs/:job_id/{path}", 201) == before + 1


def test_a_stream_and_a_download_are_told_of_when_they_end(system, job, model):
    request_id = uuid.uuid4().hex
    url, headers = f"{system.url}/api/v1/jobs/{job}/logs", {"X-Request-ID": request_id}
    with requests.get(url, headers=headers, stream=True, timeout=30) as stream:
        next(stream.iter_content(None))
        assert request_id not in (system.data_dir / "logs" / "logs.log").read_text()
        system.request("POST", f"/jobs/{job}/logs", json={"message": "the client hangs up after this"})
    system.request("POST", f"/jobs/{job}/logs", json={"message": "nobody reads this"})
    system.request("POST", f"/jobs/{job}/logs", json={"message": "nor this"})
    assert lines_of(system, "logs", request_id)[0]["cut"] is True

    answer, request_id = call(system, "GET", f"/models/{model}/download")
    (line,) = lines_of(system, "models", request_id)
    assert (line["bytes"], "cut" in line) == (len(answer.content), False)


def test_what_has_no_endpoint_and_no_valid_id_is_told_of(system):
    answer = requests.get(f"{system.addresses['logs']}/api/v1/nothing", headers={"X-Request-ID": "a b"}, timeout=10)
    request_id = answer.headers["X-Request-ID"]
    assert re.fullmatch(r"[0-9a-f]{32}", request_id)

    (line,) = lines_of(system, "logs", request_id)
    assert (line["route"], line["status"]) == ("none", 404)
    requests.request("SOMETHING", f"{system.addresses['logs']}/api/v1/jobs", timeout=10)
    assert 'method="SOMETHING"' not in metrics(system, "logs")


@pytest.mark.parametrize("part", [*SERVICES, "checksums", "evaluation-worker"])
def test_every_line_of_every_process_is_json(system, part, model):
    for line in lines(system, part):
        assert {"time", "level", "event", "process"} <= set(line)


def metrics(system, part):
    ports = {"checksums": "checksums_metrics", "worker": "worker_metrics"}
    url = f"http://127.0.0.1:{system.addresses['ports'][ports[part]]}" if part in ports else system.addresses[part]
    return requests.get(f"{url}/metrics", timeout=10).text


def counted(system, part, method, route, status):
    sample = f'tunedeck_request_seconds_count{{method="{method}",route="{route}",status="{status}"}} '
    return next((float(line.split()[-1]) for line in metrics(system, part).splitlines() if line.startswith(sample)), 0)


@pytest.mark.parametrize(
    ("part", "names"),
    [
        ("logs", "streams_open streams_limit lines_stored_total lines_streamed_total channel_lag_lines"),
        ("logs", "points_stored_total notifications_failed_total database_wait_seconds_total tables_readable"),
        ("models", "archive_bytes_sent_total downloads_open uploads_open checksum_queue_files"),
        ("models", "checksum_queue_age_seconds database_errors_total tables_readable"),
        ("evaluations", "evaluations_waiting evaluations_running evaluation_queue_age_seconds eval_results_due"),
        ("checksums", "checksum_bytes_read_total leases_lost_total worker_turn_timestamp_seconds"),
        ("worker", "evaluation_answers_total evaluations_ended_total leases_lost_total worker_turn_timestamp_seconds"),
    ],
)
def test_each_process_has_its_metrics(system, part, names, model):
    text = metrics(system, part)
    for name in names.split():
        assert f"# TYPE tunedeck_{name.removesuffix('_total')}" in text, name


def test_metrics_are_of_all_workers_and_not_routed_by_the_gateway(system, model):
    before = counted(system, "models", "GET", "/api/v1/models/:model_id", 200)
    for _ in range(20):  # each on a connection of its own, to either worker
        requests.get(f"{system.addresses['models']}/api/v1/models/{model}", timeout=10)

    assert {counted(system, "models", "GET", "/api/v1/models/:model_id", 200) for _ in range(6)} == {before + 20}
    for path in ("/metrics", "/healthz", "/readyz", "/api/v1/metrics"):
        assert requests.get(system.url + path, timeout=10).status_code == 404
