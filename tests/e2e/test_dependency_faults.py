"""Each dependency stopped, hung, slowed and restarted under everything that users do: answers in time, nothing lost."""

import os
import signal
import time
from pathlib import Path

import pytest
import requests

from tests.support.cluster import fault
from tests.support.processes import descendants
from tests.support.waiting import wait_until

pytestmark = pytest.mark.faults

WITHIN_S = 15
SLACK_S = 5
"""For a busy machine."""
BACK_WITHIN_S = 60
FOR_S = {"stopped": 8, "hung": 20, "slow": 15}


@pytest.fixture(scope="module")
def cluster(new_cluster):
    return new_cluster()


@pytest.fixture
def workload(cluster, new_workload):
    running = new_workload(cluster)
    running.wait_for_a_turn_of_each()
    return running


def check_answers(workload):
    """Every answer came in time, none was an error of ours, and 503 says when to come again."""
    strange = [one for one in workload.outcomes if one.status >= 500 and one.status != 503]
    assert strange == []
    assert all(one.has_retry_after for one in workload.outcomes if one.status == 503)
    slow = [one for one in workload.outcomes if one.took_s > WITHIN_S + SLACK_S]
    assert slow == []


def check_all(cluster, workload):
    workload.wait_for_a_turn_of_each(BACK_WITHIN_S)
    workload.finish()
    check_answers(workload)
    for name in cluster.running:
        assert "Traceback" not in cluster.log(name), name


def soak(*parameters):
    return pytest.param(*parameters, marks=pytest.mark.soak)


DEPENDENCIES = ("store", "redis", "postgresql", "inference", "logs", "models")
FAULTS = [
    *(("store", "hung"), ("postgresql", "hung"), ("models", "hung")),
    *(soak(name, "hung") for name in ("redis", "inference", "logs")),
    *(soak(name, kind) for kind in ("stopped", "slow") for name in DEPENDENCIES),
]


@pytest.mark.parametrize(("dependency", "kind"), FAULTS)
def test_a_dependency(cluster, workload, dependency, kind):
    with fault(cluster.pipes[dependency], kind):
        time.sleep(FOR_S[kind])
    check_all(cluster, workload)


def test_redis_comes_back_empty(cluster, workload):
    cluster.redis.kill()
    workload.load.wait_for(20)
    cluster.redis.start()
    check_all(cluster, workload)


def test_postgresql_restarts(cluster, workload, server):
    server.stop()
    time.sleep(2)  # without it
    server.start()
    check_all(cluster, workload)


@pytest.mark.soak
def test_postgresql_stands_still(cluster, workload, server):
    """Its processes are stopped: the kernel goes on accepting connections, and nobody answers."""
    first = int((Path(server.pgdata) / "postmaster.pid").read_text().split()[0])
    stopped = [first, *descendants(first)]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(FOR_S["hung"])
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    check_all(cluster, workload)


@pytest.mark.parametrize("name", ["logs", soak("models"), soak("evaluations")])
def test_a_service_that_stands_still(cluster, name):
    """The only one there is: the gateway says so in time, and goes on once the service does."""
    path = {"logs": "jobs", "models": "models", "evaluations": "evaluations"}[name]
    (process,) = cluster.running[name]
    process.signal(signal.SIGSTOP)
    try:
        for _ in range(2):  # the first is sent to it, the next finds it out
            began = time.monotonic()
            answer = requests.get(f"{cluster.url}/api/v1/{path}", timeout=60)
            assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
            assert time.monotonic() - began < WITHIN_S + SLACK_S
    finally:
        process.signal(signal.SIGCONT)
    wait_until(lambda: requests.get(f"{cluster.url}/api/v1/{path}", timeout=60).status_code == 200)
