"""Workers, the master, or all of them are killed; or asked to stop. Scenarios 1, 2, 3, 4 and 10."""

import contextlib
import functools
import random
import signal
import socket
import struct
import threading
import time
import uuid
from urllib.parse import urlsplit

import pytest
import requests

from tests.logs.faults.load import Events, create_job, end_job, open_raw, read_rows, read_until, until_answered
from tests.support.databases import on
from tests.support.waiting import wait_until

ENDED_WITHIN_S = 15
"""Half of what gunicorn gives a worker to end before it is killed; it takes some tenths of a second."""


@on("postgresql")
def test_many_writers_and_tails(load):
    run = load(writers=8, readers=20)
    run.wait_for(1_000)

    assert len(run.finish(end=True)) >= 1_000


@on("postgresql")
@pytest.mark.parametrize("each", [25, pytest.param(150, marks=pytest.mark.soak)])
def test_joining_at_any_moment(load, service, seed, each):
    """Who comes back behind a random line gets the next one, at the border of what is stored and what is new."""
    run = load(writers=2, readers=0, pause_s=0.002)
    joins, failures = [], []

    def join_once(choose):
        known = max(writer.last_id for writer in run.writers)
        after, goal = known - choose.randint(0, min(known, 50)), known + choose.randint(1, 30)
        events, url = Events(), f"{service.url}/api/v1/jobs/{run.job}/logs"
        with requests.get(url, headers={"Last-Event-ID": str(after)}, stream=True, timeout=10) as answer:
            for part in answer.iter_content(None):
                events.feed(part)
                if events.lines and events.lines[-1][0] >= goal:
                    return after, events.lines
        raise AssertionError("the stream ended")

    def join(number):
        choose = random.Random(f"{seed} {number}")
        try:
            for _ in range(each):
                joins.append(join_once(choose))
        except BaseException as failure:
            failures.append(failure)

    run.wait_for(20)
    threads = [threading.Thread(target=join, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    if failures:
        raise failures[0]
    rows = run.finish()

    assert len(joins) == 8 * each
    for after, lines in joins:
        assert lines == rows[after : after + len(lines)]


@on("sqlite")
def test_killed_outright(load, service, seed):
    """What was answered 201 is there, once, and every reader goes on where it was."""
    choose = random.Random(seed)
    run = load(writers=6, readers=10)
    run.wait_for(100)
    for _ in range(3):
        service.kill_worker(choose)
        run.wait_for(100)
    service.kill()
    time.sleep(0.2)  # without it
    service.start()
    run.wait_for(100)
    # The master alone: its workers notice and end, and only then is the port free again.
    orphans = service.workers
    service.running.process.kill()
    service.running.process.wait()
    for orphan in orphans:
        orphan.wait(30)
    service.kill()
    service.start()
    run.wait_for(100)

    run.finish()

    assert sum(reader.connections > 3 for reader in run.readers) == 10
    assert sum(writer.retries for writer in run.writers) > 0


@on("sqlite")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_asked_to_stop(service, number):
    """Every stream ends at once, in good order, and asks its client to come back."""
    job = create_job(service.url)
    requests.post(f"{service.url}/api/v1/jobs/{job}/logs", json={"message": "x"}, timeout=10)
    streams = [open_raw(service.url, f"/api/v1/jobs/{job}/logs") for _ in range(300)]
    for raw in streams:
        assert b"id: 1\n\n" in read_until(raw, b"id: 1\n\n")

    asked = time.monotonic()
    service.running.process.send_signal(number)
    delays = []
    for raw in streams:
        last = read_until(raw, b"0\r\n\r\n")
        assert last.endswith(b"0\r\n\r\n")
        assert b"retry: " in last
        delays.append(int(last.split(b"retry: ")[1].split(b"\n")[0]))
        raw.close()
    assert time.monotonic() - asked < ENDED_WITHIN_S

    assert 500 <= min(delays) < 1_500
    assert 4_000 < max(delays) <= 5_000
    if number == signal.SIGHUP:
        answer = until_answered(lambda: requests.get(f"{service.url}/api/v1/jobs/{job}", timeout=30))
        assert answer.status_code == 200
    else:
        # A kept-alive connection without a request would hold the worker for all of its graceful timeout.
        service.kill()


@on("sqlite")
def test_a_connection_without_a_request_gets_no_answer_when_its_worker_stops(service):
    """One that nobody asked for would be taken for the answer to the next request."""
    address = urlsplit(service.url)
    with contextlib.ExitStack() as clients:
        used = clients.enter_context(open_raw(service.url, "/healthz"))
        assert read_until(used, b"}\n").startswith(b"HTTP/1.1 200")
        connect = functools.partial(socket.create_connection, (address.hostname, address.port), 30)
        fresh = [clients.enter_context(connect()) for _ in range(4)]
        fresh[0].sendall(b"GET /healthz HTTP/1.1\r\n")
        # What no worker has accepted yet, the next one gets.
        wait_until(lambda: all(service.has_accepted(client) for client in fresh))
        service.running.process.send_signal(signal.SIGHUP)
        for client in (used, *fresh):
            with contextlib.suppress(ConnectionResetError):
                assert client.recv(65536) == b""
    assert "Traceback" not in service.log


@on("sqlite")
def test_stopped_in_the_middle_of_a_replay(service):
    """A long log does not hold up the end: the client comes back for the rest."""
    job = create_job(service.url)
    for _ in range(5):
        body = b'{"message": "%s"}\n' % (b"x" * 1000) * 5_000
        headers = {"Content-Type": "application/x-ndjson"}
        requests.post(f"{service.url}/api/v1/jobs/{job}/logs", data=body, headers=headers, timeout=10)
    raw = open_raw(service.url, f"/api/v1/jobs/{job}/logs")
    read_until(raw, b"id: 10\n\n")

    asked = time.monotonic()
    service.running.process.send_signal(signal.SIGTERM)
    assert read_until(raw, b"0\r\n\r\n").endswith(b"0\r\n\r\n")
    assert time.monotonic() - asked < ENDED_WITHIN_S
    raw.close()
    service.kill()


@on("postgresql")
def test_rolling_restarts_under_load(load, service):
    run = load(writers=4, readers=8)
    for _ in range(2):
        run.wait_for(100)
        service.running.process.send_signal(signal.SIGHUP)
    run.wait_for(200)

    run.finish()


@on("sqlite")
def test_an_answer_that_never_arrived(service, seed):
    """The client hangs up before the answer and sends again: one copy, the same numbers."""
    choose = random.Random(seed)
    job = create_job(service.url)
    url = f"{service.url}/api/v1/jobs/{job}/logs"
    for number in range(30):
        key, body = str(uuid.uuid4()), b'{"message": "%d"}' % number
        raw = open_raw(service.url, "/healthz")
        read_until(raw, b"}")
        head = f"POST /api/v1/jobs/{job}/logs HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: {key}\r\n"
        raw.sendall(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        time.sleep(choose.random() * 0.01)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # RST
        raw.close()

        headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
        answer = requests.post(url, data=body, headers=headers, timeout=10)
        assert (answer.status_code, answer.json()["message"]) == (201, str(number))
        other = requests.post(url, data=b'{"message": "other"}', headers=headers, timeout=10)
        assert other.status_code == 422

    assert read_rows(service.url, job) == [(number + 1, str(number)) for number in range(30)]
    end_job(service.url, job)
