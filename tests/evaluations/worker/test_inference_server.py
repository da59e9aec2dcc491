"""What an inference server lists, however it answers."""

import contextlib

import pytest

from services.evaluations.worker.inference_server import InferenceServer
from tests.support.fake_api import FakeApi


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        ({"data": [{"id": "base"}, {"id": "tuned"}]}, ["base", "tuned"]),
        ({"data": []}, []),
        ({"data": [{"name": "base"}]}, None),
        ({"data": None}, None),
        ({"code": 404, "message": "no list"}, None),
        (b"<html>", None),
        (b"[" * 200_000, None),
    ],
    ids=["models", "none", "other fields", "null", "404", "text", "nested"],
)
def test_it_lists_models_or_says_that_it_does_not_know(answer, names):
    with contextlib.closing(FakeApi()) as api:
        api.answers["/v1/models"] = answer
        server = InferenceServer(f"{api.url}/v1", None, timeout_s=30, connections=1)
        assert server.list_models() == names
