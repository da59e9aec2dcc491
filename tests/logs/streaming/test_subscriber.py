"""What the channel writes to a subscriber past the server, over a real pair of sockets."""

import socket

import gevent
import gevent.socket
import pytest

from services.logs.lines.queries import Filter
from services.logs.streaming.subscriber import Subscriber, Subscription, as_chunk, subscription

CHUNK = as_chunk(b"data: [00:00:00] [INFO] a line\nid: 1\n\n")


@pytest.fixture
def ends():
    """A subscriber's socket, with little room, and the client's end of it."""
    ours, theirs = gevent.socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4608)
    ours.settimeout(30)
    with ours, theirs:
        yield ours, theirs


def waiting(subscriber):
    """Let a subscriber's own greenlet wait, as a stream's does."""
    greenlet = gevent.spawn(subscriber.wait, 600)
    gevent.sleep(0)
    assert subscriber.waits
    return greenlet


def test_it_works(ends):
    ours, theirs = ends
    subscriber = Subscriber(Subscription(), 0, ours)
    greenlet = waiting(subscriber)
    subscriber.push(CHUNK, 1)
    assert theirs.recv(1000) == CHUNK
    assert subscriber.cursor == 1
    assert subscriber.waits
    subscriber.wake()
    greenlet.get(timeout=30)


def test_what_the_socket_does_not_take_its_greenlet_writes(ends):
    ours, theirs = ends
    subscriber = Subscriber(Subscription(), 0, ours)
    greenlet = waiting(subscriber)
    long = as_chunk(b"x" * 200_000)
    subscriber.push(long, 7)
    assert subscriber.cursor == 7
    assert not subscriber.waits, "the channel would write into the middle of a chunk"
    read = b""
    while len(read) < len(long):
        read += theirs.recv(65536)
    greenlet.get(timeout=30)
    assert read == long


def test_a_socket_without_room_gets_nothing_and_its_greenlet_is_woken(ends):
    ours, _ = ends
    subscriber = Subscriber(Subscription(), 3, ours)
    filled = 0
    while True:
        try:
            filled += ours.send(b"x" * 65536, 0, 0.0)
        except BlockingIOError:
            break
    greenlet = waiting(subscriber)
    subscriber.push(CHUNK, 4)
    greenlet.get(timeout=30)
    assert subscriber.cursor == 3


def test_a_broken_socket_is_its_greenlets_to_find(ends):
    ours, theirs = ends
    subscriber = Subscriber(Subscription(), 3, ours)
    greenlet = waiting(subscriber)
    theirs.close()
    subscriber.push(CHUNK, 4)
    greenlet.get(timeout=30)
    assert subscriber.cursor == 3


def test_an_answer_without_chunks_is_its_greenlets(ends):
    subscriber = Subscriber(Subscription(), 3)
    greenlet = waiting(subscriber)
    subscriber.push(CHUNK, 4)
    greenlet.get(timeout=30)
    assert subscriber.cursor == 3


def test_who_is_woken_before_waiting_does_not_wait():
    subscriber = Subscriber(Subscription(), 0)
    subscriber.wake()
    subscriber.wait(0)
    assert not subscriber.waits


def test_who_wants_no_more_than_a_line_is_woken_there(ends):
    """Or its stream would end with the next heartbeat."""
    ours, _ = ends
    subscriber = Subscriber(Subscription(), 0, ours, until=5)
    greenlet = waiting(subscriber)
    subscriber.push(CHUNK, 3)
    subscriber.pass_to(4)
    assert subscriber.waits
    subscriber.pass_to(5)
    greenlet.get(timeout=30)


def test_no_bytes_are_no_chunk():
    assert as_chunk(b"") == b""
    assert as_chunk(b"0123456789abcdef") == b"10\r\n0123456789abcdef\r\n"


def test_equal_wishes_are_one_view():
    assert subscription(as_json=False, wanted=Filter(2, "a")) is subscription(as_json=False, wanted=Filter(2, "a"))
    assert subscription(as_json=True, wanted=Filter()) == Subscription(as_json=True, filter=Filter())
