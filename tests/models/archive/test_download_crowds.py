"""Downloads by clients that vanish, that are slow, and whose process is told to stop"""

import os
import socket
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
import requests

from tests.support.memory import memory
from tests.support.processes import descendants
from tests.support.waiting import wait_until

pytestmark = pytest.mark.faults

BROKEN = (requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)
BIG = os.urandom(24 * 2**20)
"""More than the socket buffers between a server and a client that does not read."""

PLACES = 64
SLOW_CLIENTS, SLOW_S = 200, 30
"""So many, and for so long after all have been parted from their connections to the store, which takes memory once."""

PARTED_WITHIN_S = 120

HELD_BYTES = 640 * 1024
"""A chunk of 256 KiB for each client, 130 KiB that go with it, and as much again that malloc keeps once all have been
parted from the store (with a fixed M_TRIM_THRESHOLD it keeps nothing, and each chunk costs 64 page faults)."""


@pytest.fixture(scope="module")
def big(own_service):
    """The named URL of a model of one file that no socket buffer holds."""
    return own_service.ready({"big": BIG})[1]


def connect(service, url):
    """Ask for a download, with a small buffer for what comes; the socket, and the status and headers."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(30)
    address = urlsplit(service.url)
    client.connect((address.hostname, address.port))
    client.sendall(f"GET /api/v1/models{url} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head:
        head += client.recv(1024)
    return client, int(head.split()[1]), head.partition(b"\r\n\r\n")[0].decode()


def vanish(service, url):
    """Begin a download and be gone, as a program that was killed is."""
    client, status, _ = connect(service, url)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    return status


def open_files(master):
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in descendants(master.pid))


def test_clients_that_vanish_keep_no_connection_to_the_store(own, big):
    before = own.pipe.connected
    assert {vanish(own, big) for _ in range(8)} == {200}
    wait_until(lambda: own.pipe.connected <= before)


def test_a_download_that_a_stopping_process_cuts_goes_on_at_another(own, big):
    whole = own.call("GET", big).content
    with own.another(WEB_CONCURRENCY="1", GUNICORN_CMD_ARGS="--graceful-timeout 1") as (old, master):
        answer = old.call("GET", big, stream=True)
        chunks = answer.iter_content(65536)
        received = [next(chunks)]
        master.terminate()
        # Nobody takes the rest, so nothing but the graceful time-out ends it.
        assert master.wait(timeout=10) == 0
        with answer, pytest.raises(BROKEN):
            received.extend(chunks)
    part = b"".join(received)
    assert len(part) < len(whole)
    headers = {"Range": f"bytes={len(part)}-", "If-Range": answer.headers["ETag"]}
    rest = own.call("GET", big, headers=headers)
    assert (rest.status_code, part + rest.content == whole) == (206, True)


@pytest.mark.soak
def test_a_thousand_clients_that_vanish_leave_nothing_behind(own, big):
    with own.another(WEB_CONCURRENCY="1") as (service, master), ThreadPoolExecutor(16) as pool:

        def come_and_go(clients):
            assert {*pool.map(lambda _: vanish(service, big), range(clients))} == {200}
            wait_until(lambda: own.pipe.connected <= connected)

        assert service.call("GET", big).content
        connected = own.pipe.connected
        come_and_go(100)
        files, used = open_files(master), memory(master)
        come_and_go(1000)
        wait_until(lambda: open_files(master) <= files)
        assert memory(master) - used < 10 * 2**20
        # Every place is free again, and there are not more of them than there were.
        with ExitStack() as stack:
            for _ in range(PLACES):
                client, status, _ = connect(service, big)
                stack.enter_context(client)
                assert status == 200
            refused = service.call("GET", big)
            assert (refused.status_code, int(refused.headers["Retry-After"]) > 0) == (503, True)


@pytest.mark.soak
def test_two_hundred_clients_of_a_kilobyte_a_second(own, big):
    with own.another(WEB_CONCURRENCY="4") as (service, master), ExitStack() as stack:
        with ThreadPoolExecutor(32) as pool:  # each process, which then has what its first download takes
            urls = [f"{service.url}/api/v1/models{big}"] * 64
            assert all(pool.map(lambda url: requests.get(url, timeout=60).content, urls))
        idle, connected = memory(master), own.pipe.connected
        slow = []
        while len(slow) < SLOW_CLIENTS:
            client, status, head = connect(service, big)
            if status == 200:
                slow.append(stack.enter_context(client))
            else:  # by chance one process has no place left, and another one has
                assert (status, "Retry-After" in head) == (503, True)
                client.close()
        sizes = []

        def take_a_kilobyte():
            begin = time.monotonic()
            assert all(len(client.recv(1024)) > 0 for client in slow)
            assert requests.get(f"{service.url}/api/v1/models", timeout=30).status_code == 200
            sizes.append(memory(master))
            time.sleep(max(0, begin + 1 - time.monotonic()))  # a kilobyte a second

        # Who takes so little keeps no connection to the store, and that long before a deadline cuts it off.
        while own.pipe.connected > connected:
            assert len(sizes) < PARTED_WITHIN_S
            take_a_kilobyte()
        for _ in range(SLOW_S):
            take_a_kilobyte()
        assert max(sizes) - idle < SLOW_CLIENTS * HELD_BYTES
        assert sizes[-1] - sizes[-SLOW_S] < 5 * 2**20
