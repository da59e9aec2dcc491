"""Each alert fires in a real Prometheus when the real thing breaks: deploy/prometheus' rules, with short times."""

from __future__ import annotations

import io
import json
import re
import shutil
import signal
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
import yaml

from run.parts import Part
from run.settings import free_port
from shared.s3.bucket import Bucket
from shared.s3.client import S3Settings, connect
from shared.settings import load
from tests.e2e.conftest import inference, new_cluster, server  # noqa: F401  # fixtures
from tests.foreign.test_prometheus import FOLDER
from tests.logs.faults.load import create_job, read_metrics
from tests.support.databases import run_sql
from tests.support.evaluations import Inference
from tests.support.waiting import wait_until

FIRES_WITHIN_S = 120
SHORT = (
    (r"\[(15m|1h)\]", "[60s]"),
    (r"\[\d+m\]", "[15s]"),
    (r"> 3600 \* 12$", "> 10"),
    (r"> (3600|1800)$", "> 3"),
    (r"> 5000$", "> 0"),
    (r"> 2$", "> 0"),
)


@pytest.fixture(scope="module")
def cluster(new_cluster):  # noqa: F811
    return new_cluster(MAX_STREAMS="10", CHECKSUM_MIB_PER_S="1", INFERENCE_TIMEOUT_S="5", INFERENCE_PATIENCE_S="30")


@pytest.fixture(scope="module")
def prometheus(start, cluster, tmp_path_factory):
    """A Prometheus that scrapes the cluster each second; gives its address."""
    program, folder, port = shutil.which("prometheus"), tmp_path_factory.mktemp("prometheus"), free_port()
    assert program, "prometheus is missing: make tools"
    rules = yaml.safe_load((FOLDER / "alerts.yml").read_text())
    for rule in rules["groups"][0]["rules"]:
        rule.pop("for", None)
        for pattern, short in SHORT:
            rule["expr"] = re.sub(pattern, short, rule["expr"].strip())
    (folder / "alerts.yml").write_text(yaml.safe_dump(rules))
    scraped = [
        {"job_name": name, "static_configs": [{"targets": [f"127.0.0.1:{port}" for port in ports]}]}
        for name, ports in cluster.ports.items()
    ]
    times = {"scrape_interval": "3s", "evaluation_interval": "1s"}
    config = {"global": times, "rule_files": ["alerts.yml"], "scrape_configs": scraped}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    command = [program, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    command.append(f"--web.listen-address=127.0.0.1:{port}")
    start(Part("prometheus", command, ready_url=f"http://127.0.0.1:{port}/-/ready"))
    return f"http://127.0.0.1:{port}"


@pytest.fixture
def firing(prometheus):
    """Say whether an alert fires."""

    def firing(name):
        alerts = requests.get(f"{prometheus}/api/v1/alerts", timeout=10).json()["data"]["alerts"]
        return any(alert["labels"]["alertname"] == name and alert["state"] == "firing" for alert in alerts)

    return firing


@pytest.fixture
def fires(firing):
    def fires(name):
        wait_until(lambda: firing(name), FIRES_WITHIN_S)

    return fires


@pytest.fixture
def store(cluster):
    return Bucket(connect(load(S3Settings, cluster.environ)), "models")


def ask(cluster, method, path, **kwargs):
    return requests.request(method, f"{cluster.url}/api/v1{path}", timeout=60, **kwargs)


@pytest.fixture
def model(cluster, store):
    """Create a ready model of an object that did not come through the service."""

    def model(content):
        path = f"alerts-{uuid.uuid4().hex}"
        store.put(f"{path}/weights", io.BytesIO(content))
        body = {"name": "m", "base_model": "base", "served_name": "tuned", "storage_path": path, "status": "ready"}
        return ask(cluster, "POST", "/models", json=body).json()["ID"], f"{path}/weights"

    return model


@pytest.fixture
def evaluation(cluster, model):
    def evaluation(rows=4):
        body = [{"input": f"{uuid.uuid4().hex}", "expected": "positive"} for _ in range(rows)]
        name = uuid.uuid4().hex
        ask(cluster, "PUT", f"/datasets/{name}", data=json.dumps(body))
        begin = {"test_set_path": f"datasets/{name}"}
        return ask(cluster, "POST", f"/models/{model(b'x')[0]}/evaluate", json=begin).json()["evaluation_id"]

    return evaluation


def test_all_is_well_and_every_process_is_scraped(cluster, prometheus):
    def up():
        found = requests.get(f"{prometheus}/api/v1/query", params={"query": "sum(up)"}, timeout=10).json()
        return found["data"]["result"] and found["data"]["result"][0]["value"][1] == "5"

    wait_until(up)
    alerts = requests.get(f"{prometheus}/api/v1/alerts", timeout=10).json()["data"]["alerts"]
    assert [alert["labels"]["alertname"] for alert in alerts] == []


def test_a_process_is_down(cluster, fires):
    cluster.running["checksums"][0].kill()
    fires("ProcessDown")
    cluster.running["checksums"][0].start()


def test_the_database_is_away(cluster, server, fires, firing):  # noqa: F811
    server.stop()
    try:
        fires("TablesUnreadable")
        assert ask(cluster, "GET", "/models").status_code == 503
        # As users do, again and again: the rate of what was counted once is none.
        wait_until(lambda: (ask(cluster, "GET", "/models"), firing("RequestsFail"))[1], FIRES_WITHIN_S)
    finally:
        server.start()
    wait_until(lambda: ask(cluster, "GET", "/models").status_code == 200)


def test_the_database_is_slow(cluster, firing):
    pipe = cluster.pipes["postgresql"]

    def ask_slowly():
        with ThreadPoolExecutor(80) as pool:
            pipe.hang()
            asked = [pool.submit(ask, cluster, "GET", "/models") for _ in range(80)]
            time.sleep(4)  # the fault itself: the alert is of answers slower than 2.5 s
            pipe.mend()
            assert {answer.result().status_code for answer in asked} <= {200, 503}

    # Again and again: the rate of what was counted once is none.
    wait_until(lambda: (ask_slowly(), firing("AnswersSlow") and firing("DatabaseWaits"))[1], FIRES_WITHIN_S)


def test_redis_is_away_and_channels_lag(cluster, fires):
    job = create_job(cluster.url)
    streams = [ask(cluster, "GET", f"/jobs/{job}/logs", stream=True) for _ in range(8)]
    cluster.redis.kill()
    seen = threading.Event()

    def push_until_seen():
        while not seen.is_set():
            ask(cluster, "POST", f"/jobs/{job}/logs", json={"message": "x"})

    with ThreadPoolExecutor(1) as pool:
        pool.submit(push_until_seen)
        try:
            fires("NotificationsFail")
            fires("StreamsLag")
        finally:
            seen.set()
    cluster.redis.start()
    for stream in streams:
        stream.close()


def test_a_line_is_gone(cluster, server, fires):  # noqa: F811
    job = create_job(cluster.url)
    for _ in range(5):
        ask(cluster, "POST", f"/jobs/{job}/logs", json={"message": "x"})
    run_sql(server.get_uri(database="logs"), f"DELETE FROM line WHERE job_id = {job} AND id = 3")
    with ask(cluster, "GET", f"/jobs/{job}/logs", stream=True) as stream:
        ask(cluster, "POST", f"/jobs/{job}/logs", json={"message": "x"})
        fires("LinesMissing")
        stream.close()


def test_streams_are_nearly_all_taken(cluster, fires):
    job = create_job(cluster.url)
    logs, streams = f"http://127.0.0.1:{cluster.ports['logs'][0]}", []
    # Either of the two workers, ten streams each, accepts a connection: the fuller one may do so many times in a row.
    while read_metrics(logs)["tunedeck_streams_open"] < 20:
        streams.append(ask(cluster, "GET", f"/jobs/{job}/logs", stream=True))
    fires("StreamsNearlyFull")
    ask(cluster, "GET", f"/jobs/{job}/logs")
    fires("StreamsRefused")
    for stream in streams:
        stream.close()


def test_checksums_are_late_and_then_wrong(cluster, model, store, fires):
    cluster.running["checksums"][0].kill()
    _, key = model(b"as it was frozen")
    fires("ChecksumsLate")
    store.put(key, io.BytesIO(b"what somebody put there since"))
    cluster.running["checksums"][0].start()
    fires("ChecksumErrors")


def test_a_lease_is_lost(cluster, server, model, fires, start):  # noqa: F811
    """A process that stood still for longer than its lease finds that another one has its file."""
    process = cluster.running["checksums"][0]
    number, _ = model(b"x" * 20 * 2**20)  # twenty seconds of reading

    def holder():
        return run_sql(server.get_uri(database="models"), f"SELECT holder FROM file WHERE model_id = {number}")[0]

    first = wait_until(holder)
    process.signal(signal.SIGSTOP)
    part = process.part
    other = start(
        Part("other checksums", part.command, part.environ | {"METRICS_PORT": str(free_port())}, (), "alive:")
    )
    wait_until(lambda: holder() not in (None, first), 60)
    process.signal(signal.SIGCONT)
    fires("LeasesLost")
    other.kill()


def test_nobody_works_on_evaluations(cluster, evaluation, fires):
    cluster.running["worker"][0].kill()
    evaluation()
    fires("EvaluationsWait")
    cluster.running["worker"][0].start()


def test_the_inference_server_fails(cluster, evaluation, inference: Inference, fires):  # noqa: F811
    inference.refuses = lambda path, body: (400, "no") if "Hello" not in json.dumps(body) else None
    for _ in range(3):
        evaluation(10)
    try:
        fires("EvaluationAnswersFail")
    finally:
        inference.refuses = lambda path, body: None


def test_a_worker_is_stuck_and_its_results_are_not_told(cluster, evaluation, inference: Inference, fires):  # noqa: F811
    inference.takes_s = 1.5
    number = evaluation(40)
    fires("WorkerStuck")
    inference.takes_s = 0
    cluster.pipes["models"].cut()
    wait_until(lambda: ask(cluster, "GET", f"/evaluations/{number}").json()["status"] == "completed", 60)
    fires("ResultsNotTold")
    cluster.pipes["models"].mend()


def test_each_alert_has_its_test():
    text = Path(__file__).read_text()
    for rule in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"][0]["rules"]:
        assert f'("{rule["alert"]}")' in text
