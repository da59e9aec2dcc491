"""What the logs service answers may be anything: a job that cannot be read is not known."""

import contextlib

import pytest

from services.models.logs_client import LogsClient
from tests.support.fake_api import FakeApi


@pytest.mark.parametrize("answer", [b"", b"{", b"\xff", b"[]", b"[" * 200_000, {"code": 404}])
def test_a_job_that_cannot_be_read_is_none(answer):
    with contextlib.closing(FakeApi()) as logs:
        logs.answers["/api/v1/jobs/1"] = answer
        assert LogsClient(logs.url).find_job(1) is None


def test_a_job_is_its_record():
    with contextlib.closing(FakeApi()) as logs:
        logs.answers["/api/v1/jobs/1"] = {"ID": 1}
        assert LogsClient(logs.url).find_job(1) == {"ID": 1}
