"""A request body whose sender does not go on"""

import gevent
import pytest

from shared.errors import BadRequest
from shared.s3 import request_body
from shared.s3.request_body import RequestBody


class Stalling:
    """Gives some bytes, then nothing any more."""

    def __init__(self):
        self.left = [b"some"]

    def read(self, size):
        if not self.left:
            gevent.sleep(60)  # longer than anybody waits
        return self.left.pop()


def test_a_sender_that_stalls_is_cut_off(monkeypatch):
    monkeypatch.setattr(request_body, "READ_TIMEOUT_S", 0.05)
    body = RequestBody(Stalling(), declared_size=8)
    assert body.read(4) == b"some"
    with pytest.raises(BadRequest, match="fewer than 4 bytes came within"):
        body.read(4)
