"""A job's live stream, followed from Python, where what answers is not the logs service."""

import threading

import pytest
from tunedeck_client import log_stream
from tunedeck_client.transport.service import Service

from tests.support.waiting import wait_until

PATH = "/api/v1/jobs/1/logs"
END = b'event: end\ndata:{"status":"completed"}\n\n'


@pytest.fixture
def follow(fake_api):
    """Follow job 1 from a thread, and return it and the lines that it has seen."""

    def follow():
        lines, service = [], Service(fake_api.url)
        following = threading.Thread(target=lambda: lines.extend(log_stream.follow_log(service, 1)))
        following.start()
        return following, lines

    return follow


def test_it_works(fake_api, follow):
    fake_api.answers[PATH] = b'id: 1\ndata: {"message": "one"}\n\n' + END
    following, lines = follow()
    following.join(30)
    assert lines == [{"message": "one"}]


@pytest.mark.parametrize("data", [b"no JSON", b"[" * 200_000], ids=["text", "nested"])
def test_a_line_that_cannot_be_read_is_asked_for_again(fake_api, follow, monkeypatch, data):
    monkeypatch.setattr(log_stream, "PAUSE_S", 0.01)
    fake_api.answers[PATH] = b"id: 1\ndata: " + data + b"\n\n"
    following, lines = follow()
    wait_until(lambda: len(fake_api.asked) > 1)
    fake_api.answers[PATH] = b'id: 1\ndata: {"message": "one"}\n\n' + END
    following.join(60)
    assert lines == [{"message": "one"}]
    assert "last_event_id" not in fake_api.asked[-1][0]
