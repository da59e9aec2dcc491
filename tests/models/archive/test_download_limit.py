"""How many downloads a process sends at once, and for how long it waits for a client"""

import os
import time
from contextlib import ExitStack

import pytest

from tests.support.waiting import wait_until

PLACES, DEADLINE_S = 3, 1.0
"""As `tests/models/hasty.py` sets them."""

BIG = os.urandom(24 * 2**20)
"""More than the socket buffers between a server and a client that does not read."""


@pytest.fixture(scope="module")
def big(hasty):
    """The named URL of a model of one file that no socket buffer holds."""
    return hasty.ready({"big": BIG})[1]


@pytest.mark.parametrize("named", [True, False])
def test_it_rejects_one_more_than_there_are_places(hasty, big, named):
    url = big if named else big.rsplit("/", 1)[0]
    with ExitStack() as stack:
        for _ in range(PLACES):
            assert stack.enter_context(hasty.call("GET", url, stream=True)).status_code == 200
        refused = hasty.call("GET", url)
        assert (refused.status_code, refused.json()["code"]) == (503, 503)
        assert int(refused.headers["Retry-After"]) > 0
        assert hasty.call("HEAD", url).status_code == 200
        assert hasty.call("GET", url, headers={"If-None-Match": "*"}).status_code == 304
        assert hasty.call("GET").status_code == 200
    wait_until(lambda: hasty.call("GET", url).status_code == 200)


def test_a_download_that_is_refused_takes_no_place(hasty, bucket, big):
    model = hasty.model()
    hasty.call("PUT", f"/{model['ID']}/files/a", data=b"1")
    hasty.call("PUT", f"/{model['ID']}", json={"status": "ready"})
    bucket.remove(f"{model['storage_path']}/a")
    for _ in range(PLACES + 1):
        assert hasty.call("GET", f"/{model['ID']}/download").status_code == 409
    assert hasty.call("GET", big).content


def test_a_client_that_takes_nothing_is_cut_off(hasty, big):
    """At its deadline: its place is free again, and no connection to the store is left."""
    before = hasty.pipe.connected
    with ExitStack() as stack:
        idle = [stack.enter_context(hasty.call("GET", big, stream=True)) for _ in range(PLACES)]
        assert hasty.call("GET", big).status_code == 503
        wait_until(lambda: hasty.call("GET", big).status_code == 200)
        wait_until(lambda: hasty.pipe.connected <= before)
        for answer in idle:
            with pytest.raises(OSError, match="IncompleteRead|Connection"):
                for _ in answer.iter_content(2**20):
                    pass


def test_a_client_that_takes_little_at_a_time_gets_everything(hasty, big):
    with hasty.call("GET", big, stream=True) as answer:
        received = 0
        for chunk in answer.iter_content(2**20):
            received += len(chunk)
            time.sleep(0.15)  # a client slower than the store, and faster than the deadline
    assert received == int(answer.headers["Content-Length"])
