"""A body that is read ahead of whoever stores it"""

import io
import os

import gevent
import pytest

from services.models.read_ahead import PIECE_BYTES, ReadAhead

CONTENT = os.urandom(3 * PIECE_BYTES + 17)


class Breaks:
    """A few pieces, then an error."""

    def __init__(self, pieces):
        self.left = pieces

    def read(self, size):
        if not self.left:
            raise OSError("broken")
        self.left -= 1
        return bytes(size)


class Endless:
    def __init__(self):
        self.pieces = 0

    def read(self, size):
        self.pieces += 1
        gevent.sleep(0)
        return bytes(size)


@pytest.mark.parametrize("size", [1000, PIECE_BYTES, PIECE_BYTES + 1, len(CONTENT), 2 * len(CONTENT)])
def test_it_works(size):
    with ReadAhead(io.BytesIO(CONTENT)) as ahead:
        received = []
        while part := ahead.read(size):
            received.append(part)
        assert ahead.read(size) == b""
    assert {len(part) for part in received[:-1]} <= {size}
    assert b"".join(received) == CONTENT


def test_what_the_body_raises_comes_after_what_came_before():
    with ReadAhead(Breaks(2)) as ahead:
        assert len(ahead.read(PIECE_BYTES)) == PIECE_BYTES
        with pytest.raises(OSError, match="broken"):
            ahead.read(2 * PIECE_BYTES)


def test_it_is_ahead_by_16_mib_and_no_more_until_it_is_closed():
    body = Endless()
    with ReadAhead(body) as ahead:
        ahead.read(1)
        for _ in range(200):
            gevent.sleep(0)
        assert 60 <= body.pieces <= 70
    read = body.pieces
    for _ in range(50):
        gevent.sleep(0)
    assert body.pieces == read
