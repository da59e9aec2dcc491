"""Commits that come at once: what they hold in memory together is limited"""

import json
import socket
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from tests.models.hub.pushes import Pusher, header, inline
from tests.support.memory import memory
from tests.support.waiting import wait_until

MIB = 2**20
CROWD, ADMITTED = 20, 3
FILE = b"x" * (4 * MIB)
BODY = b"".join(
    json.dumps(item).encode() + b"\n" for item in (header(), *(inline(f"f{number}", FILE) for number in range(11)))
)


def begin(service, repo_id, *, length=len(BODY)):
    """Send the head of a commit, and return its socket."""
    address = urlsplit(service.url)
    client = socket.create_connection((address.hostname, address.port), timeout=60)
    how = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    client.sendall(f"POST /api/models/{repo_id}/commit/main HTTP/1.1\r\nHost: localhost\r\n{how}\r\n\r\n".encode())
    return client


def status_of(client):
    head = b""
    while b"\r\n\r\n" not in head and (piece := client.recv(4096)):
        head += piece
    return int(head.split()[1]), head


@pytest.mark.faults
def test_it_works(own, store_server):
    """Clients that send all but the last byte of large commits hold no more than some of them may."""
    model = own.model()
    with own.another("tests.models.hasty", WEB_CONCURRENCY="1") as (service, master), ExitStack() as stack:
        pusher = Pusher(service, store_server)
        assert pusher.commit(model["repo_id"], inline("first", b"1")).ok
        idle = memory(master)
        crowd = []
        for _ in range(CROWD):
            client = stack.enter_context(begin(service, model["repo_id"]))
            if len(crowd) < ADMITTED:
                client.sendall(BODY[:-1])
            crowd.append(client)
        for client in crowd[ADMITTED:]:
            status, head = status_of(client)
            assert (status, b"Retry-After: " in head) == (503, True)
        assert memory(master) - idle < 2 * ADMITTED * len(BODY)
        # Small ones have a room of their own.
        assert pusher.commit(model["repo_id"], inline("small", b"s")).ok
        crowd[0].close()
        wait_until(lambda: pusher.commit(model["repo_id"], inline("large", FILE)).ok)
        assert {"first", "small", "large"} <= set(pusher.names(model["repo_id"]))


def test_a_body_without_a_length_counts_as_the_largest(hasty):
    repo_id = hasty.model()["repo_id"]
    with ExitStack() as stack:
        for _ in range(ADMITTED):
            stack.enter_context(begin(hasty, repo_id, length=None)).sendall(b"1\r\n{\r\n")
        refused = wait_until(
            lambda: head if (head := status_of(stack.enter_context(begin(hasty, repo_id))))[0] == 503 else None
        )
        assert b"Too many commits" in refused[1]


def test_it_rejects_a_file_that_is_too_large_for_a_commit(pusher, pushed):
    repo_id = pushed({"a": b"a"})
    answer = pusher.commit(repo_id, inline("b", b"x" * 13 * MIB))
    assert (answer.status_code, "line" in answer.json()["message"]) == (413, True)
    assert pusher.names(repo_id) == ["README.md", "a"]
