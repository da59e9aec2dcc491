"""shared/incoming.py: what is wrong with a body that its sender does not go on with"""

import gevent
import pytest

from shared import incoming
from shared.errors import BadRequest
from shared.incoming import Incoming


class Stalling:
    """Gives some bytes, then nothing any more."""

    def __init__(self):
        self.left = [b"some"]

    def read(self, size):
        if not self.left:
            gevent.sleep(60)  # longer than anybody waits
        return self.left.pop()


def test_a_sender_that_stalls_is_cut_off(monkeypatch):
    monkeypatch.setattr(incoming, "_PATIENCE_S", 0.05)
    body = Incoming(Stalling(), declared_size=8)
    assert body.read(4) == b"some"
    with pytest.raises(BadRequest, match="fewer than 4 bytes came within"):
        body.read(4)
