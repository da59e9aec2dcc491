"""Connections that are kept, and what is left open of them."""

import pytest
from tunedeck_client.transport.connections import Connections
from tunedeck_client.transport.service import read_answer


@pytest.fixture
def connections():
    made = Connections(timeout=5)
    yield made
    made.close()


def test_a_response_is_not_left_to_its_finalizer(connections, fake_api):
    """It closes the response in Python, where io drops a KeyboardInterrupt: of some hundred Ctrl-C one did nothing."""
    fake_api.answers["/here"] = {}
    responses = []

    def read(response):
        responses.append(response)
        return read_answer(response)

    for _ in range(2):
        assert connections.exchange("GET", f"{fake_api.url}/here", None, {}, read).body == b"{}"
    with connections.opened("GET", f"{fake_api.url}/here", None, {}) as streamed:
        responses.append(streamed)
        read_answer(streamed)

    assert [response.closed for response in responses] == [True, True, True]
