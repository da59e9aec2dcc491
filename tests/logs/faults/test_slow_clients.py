"""Clients that read nothing, vanish, or all come at once. Scenarios 12 to 16 and 22."""

import contextlib
import re
import selectors
import socket
import statistics
import struct
import threading
import time

import pytest
import requests

from tests.logs.faults.conftest import Service
from tests.logs.faults.load import Events, Reader, create_job, end_job, open_raw, read_metrics, read_until
from tests.support.databases import on, only_on
from tests.support.waiting import wait_until

MIB = 2**20
NDJSON = {"Content-Type": "application/x-ndjson"}


def push(service, job, *messages):
    body = {"logs": [{"message": message} for message in messages]}
    assert requests.post(f"{service.url}/api/v1/jobs/{job}/logs", json=body, timeout=20).status_code == 201


def fill(service, job, size, line):
    """Store about ``size`` bytes of lines."""
    row = b'{"message": "%s"}\n' % line
    for _ in range(size // (7 * MIB)):
        url = f"{service.url}/api/v1/jobs/{job}/logs"
        assert requests.post(url, data=row * (7 * MIB // len(row)), headers=NDJSON, timeout=20).status_code == 201


@contextlib.contextmanager
def opened(service, path, count, header="Accept: */*", value=str):
    """Open many streams, each with a header of its own, and close what is left of them."""
    raws = [open_raw(service.url, path, header.format(value(number))) for number in range(count)]
    try:
        yield raws
    finally:
        for raw in raws:
            raw.close()


def read_all_until(raws, mark, patience_s):
    """Read from many sockets at once, from each up to a mark; returns what each has read."""
    selector, deadline = selectors.DefaultSelector(), time.monotonic() + patience_s
    reads = [bytearray() for _ in raws]
    for raw, read in zip(raws, reads, strict=True):
        selector.register(raw, selectors.EVENT_READ, read)
    while selector.get_map():
        assert time.monotonic() < deadline, f"{len(selector.get_map())} of {len(raws)} wait for {mark!r}"
        for key, _ in selector.select(0.2):
            part = key.fileobj.recv(65536)
            key.data.extend(part)
            if not part or mark in key.data:
                selector.unregister(key.fileobj)
    return reads


@pytest.mark.parametrize("length", [pytest.param(800, marks=pytest.mark.soak), 255 * 1024])
def test_a_client_that_reads_nothing(hasty, length):
    """It is cut off after the write deadline; until then its backlog costs no memory, and nobody else notices."""
    job, other = create_job(hasty.url), create_job(hasty.url)
    fill(hasty, job, 28 * MIB, b"x" * length)
    reader = Reader(hasty.url, other)
    reader.start()
    push(hasty, other, "first")
    wait_until(lambda: len(reader.lines) == 1)
    held, rss = hasty.connections(), hasty.rss()

    began, delays, most = time.monotonic(), [], 0
    clients = [open_raw(hasty.url, f"/api/v1/jobs/{job}/logs", receive_buffer=4096) for _ in range(5)]
    wait_until(lambda: hasty.connections() >= held + 5)
    while hasty.connections() > held or not delays:
        assert time.monotonic() - began < 60
        pushed = time.monotonic()
        push(hasty, other, "x")
        seen = len(delays) + 2
        wait_until(lambda seen=seen: len(reader.lines) == seen)
        delays.append(time.monotonic() - pushed)
        most = max(most, hasty.rss())
        time.sleep(0.05)

    assert time.monotonic() - began > 0.9
    assert most - rss < 40 * MIB
    assert sorted(delays)[len(delays) * 19 // 20] < 5
    assert "Traceback" not in hasty.log
    for client in clients:
        client.close()
    end_job(hasty.url, other)
    reader.join(30)


@on("sqlite")
def test_a_client_that_asks_without_pause(hasty):
    """Others have their turn, though its next request is always there already."""
    path = f"/api/v1/jobs/{create_job(hasty.url)}"
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: {{}}\r\n\r\n"
    greedy, patient = (open_raw(hasty.url, path) for _ in range(2))
    for client in (greedy, patient):
        read_until(client, b"\r\n\r\n")
    greedy.sendall("".join(request.format(f"greedy-{number}") for number in range(1000)).encode())
    read_until(greedy, b"greedy-0\r\n")
    patient.sendall(request.format("patient").encode())
    read_until(greedy, b"greedy-999\r\n")
    read_until(patient, b"patient\r\n")

    wait_until(lambda: "greedy-999" in hasty.log)
    answered = re.findall(r"greedy-\d+|patient", hasty.log)
    assert answered.index("patient") < 500
    for client in (greedy, patient):
        client.close()


@on("sqlite")
@pytest.mark.parametrize("how", ["FIN", "RST"])
def test_a_client_that_vanishes(hasty, how):
    """Two heartbeats later its connection and its greenlet are gone."""
    job = create_job(hasty.url)
    push(hasty, job, "x")
    held = hasty.connections()
    clients = [open_raw(hasty.url, f"/api/v1/jobs/{job}/logs") for _ in range(50)]
    for client in clients:
        read_until(client, b"id: 1\n\n")
    assert hasty.connections() >= 50

    for client in clients:
        if how == "RST":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()

    wait_until(lambda: hasty.connections() <= held)
    assert "Traceback" not in hasty.log


def come_back_at_once(service, clients):
    """Clients who missed less than the ring holds; returns the seconds until all are up to date."""
    job = create_job(service.url)
    push(service, job, *map(str, range(3_000)))
    path = f"/api/v1/jobs/{job}/logs"

    began = time.monotonic()
    with opened(service, path, clients, "Last-Event-ID: {}", lambda number: 2_700 + number % 300) as streams:
        reads = read_all_until(streams, b"id: 3000\n\n", 60)
    took = time.monotonic() - began

    for number, read in enumerate(reads):
        assert read.startswith(b"HTTP/1.1 200")
        assert read.count(b"\nid: ") == 300 - number % 300
    assert "connection is in use" not in service.log
    return took


@on("postgresql")
@pytest.mark.parametrize("clients", [500, pytest.param(2_000, marks=pytest.mark.soak)])
def test_all_come_back_at_once(hasty, clients):
    """Hundreds of clients with five connections to the database: whoever missed little is served from the ring."""
    assert come_back_at_once(hasty, clients) < clients / 50


@pytest.mark.soak
@only_on("postgresql")
def test_thousands_come_back_at_once(start, settings):
    """To one worker, with the deadlines that it is deployed with."""
    service = Service(start, settings, WEB_CONCURRENCY="1", MAX_STREAMS="6000")
    took = come_back_at_once(service, 5_000)
    print(f"5,000 clients were up to date after {took:.1f} s")
    assert took < 60
    service.kill()


def test_a_replay_of_a_hundred_thousand_lines(hasty):
    """It takes no memory, and the process answers others meanwhile."""
    job = create_job(hasty.url)
    url = f"{hasty.url}/api/v1/jobs/{job}/logs"
    for batch in range(10):
        body = "".join(f'{{"message": "line {batch * 10_000 + number}"}}\n' for number in range(10_000))
        assert requests.post(url, data=body, headers=NDJSON, timeout=20).status_code == 201
    rss, slowest, events = hasty.rss(), [], Events()

    def replay():
        with requests.get(url, stream=True, timeout=20) as answer:
            for part in answer.iter_content(None):
                events.feed(part)
                if events.lines and events.lines[-1][0] == 100_000:
                    return

    client = threading.Thread(target=replay)
    client.start()
    while client.is_alive():
        began = time.monotonic()
        assert requests.get(f"{hasty.url}/healthz", timeout=30).status_code == 200
        slowest.append(time.monotonic() - began)
        time.sleep(0.005)

    assert events.lines == [(number + 1, f"line {number}") for number in range(100_000)]
    assert hasty.rss() - rss < 20 * MIB
    assert len(slowest) > 5
    assert statistics.median(slowest) < 2.5


@only_on("sqlite")
def test_a_full_process(start, settings):
    """A newcomer is told to come back, with a 200 that no browser takes for the end, and gets in when one leaves."""
    app = "tests.logs.faults.hasty"
    service = Service(start, settings, app, WEB_CONCURRENCY="1", MAX_STREAMS="3")
    job = create_job(service.url)
    push(service, job, "x")
    path = f"/api/v1/jobs/{job}/logs"
    inside = [open_raw(service.url, path) for _ in range(3)]
    for client in inside:
        read_until(client, b"id: 1\n\n")

    with requests.get(service.url + path, timeout=30) as newcomer:
        assert (newcomer.status_code, newcomer.headers["Connection"]) == (200, "close")
        assert newcomer.content.startswith(b"retry: 3000\n:\nretry: ")
    assert read_metrics(service.url)["tunedeck_streams_refused_total"] == 1
    assert requests.get(f"{service.url}/healthz", timeout=30).status_code == 200
    assert requests.get(f"{service.url}{path}?limit=1", timeout=30).json()["count"] == 1
    inside.pop().close()

    def gets_in():
        """Whether a newcomer is let in, as it is once the one that left is found gone, at a heartbeat."""
        inside.append(open_raw(service.url, path))
        return b"id: 1\n\n" in read_until(inside[-1], b"id: 1\n\n")

    wait_until(gets_in)
    for client in inside:
        client.close()
    service.kill()


@only_on("sqlite")
@pytest.mark.soak
def test_ten_thousand_idle_streams(start, settings):
    """Scenario 14: they come in seconds, cost little, leave /healthz alone, and all end after five minutes."""
    streams = 10_000
    service = Service(start, settings, WEB_CONCURRENCY="1", MAX_STREAMS="10100")
    path = f"/api/v1/jobs/{create_job(service.url)}/logs"
    rss, began = service.rss(), time.monotonic()
    with opened(service, path, streams) as raws:
        read_all_until(raws, b"retry: 3000\n:\n", 600)
        accepted = time.monotonic() - began
        grown = (service.rss() - rss) / streams
        delays = []
        while time.monotonic() - began < 270:
            asked = time.monotonic()
            assert requests.get(f"{service.url}/healthz", timeout=30).status_code == 200
            delays.append(time.monotonic() - asked)
            time.sleep(0.1)  # between two looks
        p99 = statistics.quantiles(delays, n=100)[98]
        (first,) = read_all_until(raws[:1], b"event: timeout\n", 60)
        first_ended = time.monotonic() - began
        reads = read_all_until(raws[1:], b"event: timeout\n", 600)
        last_ended = time.monotonic() - began

    print(f"accepted in {accepted:.1f} s, {grown / 1024:.1f} KiB each, /healthz p99 {p99 * 1000:.0f} ms,", end=" ")
    print(f"ended after {first_ended:.1f} to {last_ended:.1f} s")
    assert all(b"event: timeout\n" in read for read in [first, *reads])
    assert accepted < 60
    assert grown < 30 * 1024
    assert p99 < 1
    assert first_ended > 299
    assert last_ended < 300 + accepted + 60
    service.kill()


@pytest.mark.parametrize("framing", ["Content-Length: 100\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"])
@pytest.mark.parametrize("path", ["/api/v1/jobs", "/api/v1/jobs/{job}/logs"])
@only_on("postgresql")
def test_a_body_that_does_not_come_is_given_up(hasty, path, framing):
    """It is told so, and the connection is closed."""
    head = f"POST {path.format(job=create_job(hasty.url))} HTTP/1.1\r\nHost: localhost\r\n"
    with contextlib.closing(open_raw(hasty.url, "/healthz")) as raw:
        assert read_until(raw, b'"version"')
        raw.sendall(f"{head}Content-Type: application/json\r\n{framing}".encode())
        answer = read_until(raw, b"no such mark")
    assert b"HTTP/1.1 408 " in answer
    assert b'"message":"The body did not come within 1 s."' in answer.replace(b": ", b":")
