"""What the feed writes to a viewer past the server, over a real pair of sockets."""

import socket

import gevent
import gevent.socket
import pytest

from services.logs.paging import Filter
from services.logs.viewer import View, Viewer, as_chunk, view_of

CHUNK = as_chunk(b"data: [00:00:00] [INFO] a line\nid: 1\n\n")


@pytest.fixture
def ends():
    """A viewer's socket, with little room, and the client's end of it."""
    ours, theirs = gevent.socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4608)
    ours.settimeout(5)
    with ours, theirs:
        yield ours, theirs


def waiting(viewer):
    """Let a viewer's own greenlet wait, as a stream's does."""
    greenlet = gevent.spawn(viewer.wait, 5)
    gevent.sleep(0)
    assert viewer.waits
    return greenlet


def test_it_works(ends):
    ours, theirs = ends
    viewer = Viewer(View(), 0, ours)
    greenlet = waiting(viewer)
    viewer.push(CHUNK, 1)
    assert theirs.recv(1000) == CHUNK
    assert viewer.cursor == 1
    assert viewer.waits
    viewer.wake()
    greenlet.get(timeout=1)


def test_what_the_socket_does_not_take_its_greenlet_writes(ends):
    ours, theirs = ends
    viewer = Viewer(View(), 0, ours)
    greenlet = waiting(viewer)
    long = as_chunk(b"x" * 200_000)
    viewer.push(long, 7)
    assert viewer.cursor == 7
    assert not viewer.waits, "the feed would write into the middle of a chunk"
    read = b""
    while len(read) < len(long):
        read += theirs.recv(65536)
    greenlet.get(timeout=1)
    assert read == long


def test_a_socket_without_room_gets_nothing_and_its_greenlet_is_woken(ends):
    ours, _ = ends
    viewer = Viewer(View(), 3, ours)
    filled = 0
    while True:
        try:
            filled += ours.send(b"x" * 65536, 0, 0.0)
        except BlockingIOError:
            break
    greenlet = waiting(viewer)
    viewer.push(CHUNK, 4)
    greenlet.get(timeout=1)
    assert viewer.cursor == 3


def test_a_broken_socket_is_its_greenlets_to_find(ends):
    ours, theirs = ends
    viewer = Viewer(View(), 3, ours)
    greenlet = waiting(viewer)
    theirs.close()
    viewer.push(CHUNK, 4)
    greenlet.get(timeout=1)
    assert viewer.cursor == 3


def test_an_answer_without_chunks_is_its_greenlets(ends):
    viewer = Viewer(View(), 3)
    greenlet = waiting(viewer)
    viewer.push(CHUNK, 4)
    greenlet.get(timeout=1)
    assert viewer.cursor == 3


def test_who_is_woken_before_waiting_does_not_wait():
    viewer = Viewer(View(), 0)
    viewer.wake()
    viewer.wait(0)
    assert not viewer.waits


def test_no_bytes_are_no_chunk():
    assert as_chunk(b"") == b""
    assert as_chunk(b"0123456789abcdef") == b"10\r\n0123456789abcdef\r\n"


def test_equal_wishes_are_one_view():
    assert view_of(as_json=False, level=2, source="a") is view_of(as_json=False, level=2, source="a")
    assert view_of(as_json=True, level=0, source=None) == View(as_json=True, wanted=Filter())
