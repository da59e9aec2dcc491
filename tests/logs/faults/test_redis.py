"""Redis drops its clients, dies, comes back empty, or hangs: a missed notification loses no line. Scenarios 5 to 7."""

import time

import pytest
import requests

from tests.logs.faults.load import Reader, create_job, end_job, open_raw, read_metrics, read_until, until_answered
from tests.support.databases import on
from tests.support.waiting import wait_until

# What Redis does is the same on either database; these take seconds each.
pytestmark = on("postgresql")


@pytest.fixture(autouse=True)
def _forgiving(service):
    yield
    if service.redis.is_alive():
        service.redis.command("CONFIG", "SET", "client-output-buffer-limit", "pubsub 32mb 8mb 60")


def test_subscribers_are_dropped_again_and_again(load, service):
    run = load(writers=4, readers=8)
    for _ in range(6):
        service.redis.command("CLIENT", "KILL", "TYPE", "pubsub")
        run.wait_for(60)
        time.sleep(0.2)  # time to subscribe again before the next

    run.finish()


def test_subscribers_fall_behind_their_buffer(load, service):
    """The smallest limit there is: Redis drops a subscriber at each message that it cannot send at once."""
    service.redis.command("CONFIG", "SET", "client-output-buffer-limit", "pubsub 1 1 1")
    run = load(writers=4, readers=8)
    run.wait_for(300)

    run.finish()


def test_killed_and_started_again_empty(load, service):
    run = load(writers=4, readers=8)
    run.wait_for(50)
    service.redis.kill()
    run.wait_for(100)
    time.sleep(1)  # without it
    service.redis.start()
    run.wait_for(50)

    run.finish()
    assert max(writer.slowest_s for writer in run.writers) < 8


def test_hung(load, service, paused):
    run = load(writers=4, readers=8)
    run.wait_for(50)
    with paused(service.redis):
        for _ in range(20):
            run.wait_for(20)
            time.sleep(0.5)  # paused for several ticks, and longer than any request takes, in all
    run.wait_for(50)

    run.finish()
    assert max(writer.slowest_s for writer in run.writers) < 8


def test_gone_for_good(service):
    """Every line and the end arrive by the tick, within seconds, whichever worker took them."""
    logged = len(service.log)
    service.redis.kill()
    job = create_job(service.url)
    readers = [Reader(service.url, job) for _ in range(8)]
    for reader in readers:
        reader.start()
    time.sleep(0.5)  # the readers are there first
    sent = []
    for number in range(1, 4):
        answer = requests.post(f"{service.url}/api/v1/jobs/{job}/logs", json={"message": str(number)}, timeout=30)
        sent.append((answer.json()["ID"], str(number)))
        pushed = time.monotonic()
        while not all(reader.lines == sent for reader in readers):
            assert time.monotonic() - pushed < 20
            time.sleep(0.02)
    # Three lines and the end at once: the tick finds them together, and the lines go first.
    for number in range(4, 7):
        requests.post(f"{service.url}/api/v1/jobs/{job}/logs", json={"message": str(number)}, timeout=30)
        sent.append((number, str(number)))
    end_job(service.url, job)
    for reader in readers:
        reader.join(30)

    assert all(reader.finished and reader.lines == sent for reader in readers)
    assert requests.get(f"{service.url}/readyz", timeout=30).status_code == 503
    assert requests.get(f"{service.url}/healthz", timeout=30).status_code == 200
    assert service.log[logged:].count("Redis does not answer") <= 2
    assert "Traceback" not in service.log[logged:]


def test_what_was_missed_is_counted(service, load):
    """The tick finds what no notification told of, and an operator sees it."""

    def count(name):
        return read_metrics(service.url).get(f"tunedeck_{name}_total", 0)

    before = {name: count(name) for name in ("notifications_failed", "ticks_found_lines", "subscriptions")}
    run = load(writers=2, readers=8)
    run.wait_for(20)
    service.redis.kill()
    wait_until(lambda: count("notifications_failed") > before["notifications_failed"])
    wait_until(lambda: count("ticks_found_lines") > before["ticks_found_lines"])
    service.redis.start()
    wait_until(lambda: count("subscriptions") > before["subscriptions"] + 1)

    run.finish()


def test_a_dead_workers_streams_do_not_count(service):
    job = create_job(service.url)
    streams = [open_raw(service.url, f"/api/v1/jobs/{job}/logs") for _ in range(10)]
    for raw in streams:
        read_until(raw, b"retry: 3000\n:\n")

    def open_streams():
        return read_metrics(service.url)["tunedeck_streams_open"]

    wait_until(lambda: open_streams() >= 10)
    for worker in service.workers:
        worker.kill()
    wait_until(lambda: len(service.workers) == 2)
    until_answered(lambda: requests.get(f"{service.url}/healthz", timeout=30))

    wait_until(lambda: open_streams() == 0)
    for raw in streams:
        raw.close()
