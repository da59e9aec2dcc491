"""Two logs services whose clocks are an hour apart, on one database: no line is lost, and no job is ended that lives.

Of S3 there is no such test: it refuses signatures that are a quarter of an hour off.
"""

import time

import pytest
import requests

from tests.logs.faults.load import Reader, read_rows, until_answered
from tests.support.services import start_service
from tests.support.waiting import wait_until

HEARTBEAT_S = 10


@pytest.fixture(scope="module")
def urls(start, new_database, redis_url):
    """The addresses of the one whose clock is right, and of the one that is ahead."""
    environ = {"DATABASE_URL": new_database("postgresql"), "REDIS_URL": redis_url}
    right, _ = start_service(start, "logs", environ)
    ahead, _ = start_service(start, "logs", environ, "tests.logs.faults.ahead")
    return right, ahead


def put(url, job, **fields):
    answer = requests.put(f"{url}/api/v1/jobs/{job}", json=fields, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()


def new_job(url):
    return requests.post(f"{url}/api/v1/jobs", json={"dataset_id": 1}, timeout=30).json()["ID"]


def test_it_works(urls):
    """The clocks really differ, and each stream has every line once, in order, and ends."""
    right, ahead = urls
    job = new_job(right)
    began = time.monotonic()
    readers = [Reader(url, job) for url in (right, ahead) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(100):
        body = {"message": f"line {number}"}
        sent = until_answered(
            lambda body=body, number=number: requests.post(
                f"{urls[number % 2]}/api/v1/jobs/{job}/logs", json=body, timeout=10
            )
        )
        assert sent.json()["ID"] == number + 1
    times = [
        line["timestamp"] for line in requests.get(f"{right}/api/v1/jobs/{job}/logs?limit=2", timeout=10).json()["logs"]
    ]
    assert times[1][:13] != times[0][:13], "the hours of the two"
    put(right, job, status="running")
    put(ahead, job, status="completed")
    for reader in readers:
        reader.join(60)
        assert reader.finished
        assert reader.lines == read_rows(right, job)
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("claimed_at", [0, 1], ids=["right", "ahead"])
def test_a_kernel_that_lives_is_not_ended_and_one_that_is_silent_is(urls, claimed_at):
    job = new_job(urls[0])
    claim = {"status": "running", "kernel": "gpu", "heartbeat_s": HEARTBEAT_S}
    for _ in range(4):
        put(urls[claimed_at], job, **claim)
        time.sleep(HEARTBEAT_S)
        assert requests.get(f"{urls[0]}/api/v1/jobs/{job}", timeout=10).json()["status"] == "running"
    wait_until(lambda: requests.get(f"{urls[0]}/api/v1/jobs/{job}", timeout=10).json()["status"] == "failed", 90)
