"""Servers that limit the rate, load, restart or hang: nothing is lost to it, and the run says what it waits for."""

import threading
import time

import pytest

from run.settings import free_port
from tests.support.databases import only_on
from tests.support.evaluations import requests_for, rows_done

pytestmark = only_on("postgresql")


class RateLimit:
    """Refuses all beyond so many requests in each second of the clock, without a Retry-After."""

    def __init__(self, a_second):
        self.a_second = a_second
        self.refused = 0
        self._lock = threading.Lock()
        self._second, self._count = 0, 0

    def __call__(self, path, body):
        with self._lock:
            second = int(time.monotonic())
            self._count = self._count + 1 if second == self._second else 1
            self._second = second
            if self._count <= self.a_second:
                return None
            self.refused += 1
            return 429, "Rate limit reached"


def test_no_row_is_lost_to_a_rate_limit(start_worker, inference, new_set, rows, evaluate, ended):
    rows = rows(25)
    inference.refuses = limit = RateLimit(10)
    evaluation = evaluate(new_set(rows))
    start_worker(INFERENCE_CONCURRENCY="16")
    results = ended(evaluation)["results"]

    assert (results["n"], results["errors"]) == (25, {"base_model": {}, "fine_tuned": {}})
    assert inference.asked == dict.fromkeys(requests_for(rows), 1)
    # The whole run slows down together: sixteen rows that wait by themselves would be refused hundreds of times.
    assert 0 < limit.refused < 100


def test_loading_takes_no_rows_tries_and_is_said(start_worker, inference, new_set, rows, evaluate, ended, until):
    rows = rows(6)
    evaluation = evaluate(new_set(rows))
    busy = threading.Event()

    def refuses(path, body):
        return (503, "loading") if busy.is_set() and body["messages"][-1]["content"] != "Hello" else None

    inference.refuses = refuses
    inference.held = requests_for(rows[2:])
    start_worker(INFERENCE_CONCURRENCY="2")
    until(evaluation, rows_done(2))
    busy.set()
    inference.go_on.set()
    found = until(evaluation, lambda found: found["progress"]["message"])
    assert found["progress"]["message"] == "waiting for the server: 503: loading"
    until(evaluation, lambda _: len(inference.refused) > 10)  # more than any row has tries
    busy.clear()
    record = ended(evaluation)

    assert (record["status"], record["results"]["n"]) == ("completed", 6)
    assert record["results"]["errors"] == {"base_model": {}, "fine_tuned": {}}


def test_a_server_that_is_away_for_too_long_fails_it(start_worker, test_set, evaluate, ended):
    evaluation = evaluate(test_set)
    url = f"http://127.0.0.1:{free_port()}/v1"
    start_worker(INFERENCE_URL=url, INFERENCE_PATIENCE_S="2")

    assert ended(evaluation)["error"] == (
        f"The inference server at {url} gives no answer: The connection failed: Connection refused"
    )


def test_a_server_that_hangs_fails_it_and_not_row_by_row(start_worker, inference, new_set, rows, evaluate, ended):
    rows = rows(40)
    inference.held = requests_for(rows)
    evaluation = evaluate(new_set(rows))
    start_worker(INFERENCE_TIMEOUT_S="1", INFERENCE_PATIENCE_S="3")
    record = ended(evaluation)

    assert record["error"].endswith("gives no answer: No answer in 1 s.")
    assert len(inference.asked) < 20


def test_a_worker_whose_run_waits_takes_another(start_worker, inference, new_set, rows, evaluate, ended, until):
    first, second = rows(4), [("other", "positive")] * 4
    texts = {text for text, _ in first}
    inference.refuses = lambda path, body: (429, "wait") if body["messages"][-1]["content"] in texts else None
    waiting = evaluate(new_set(first))
    quick = evaluate(new_set(second))
    worker = start_worker()

    assert ended(quick, within_s=60)["status"] == "completed"
    assert f"evaluation {waiting}: put back" in worker.log
    inference.refuses = lambda path, body: None
    assert ended(waiting, within_s=60)["results"]["n"] == 4


@pytest.mark.parametrize("held", ["answer", "warm-up", "pause", "away"])
def test_a_cancelled_run_ends_every_wait_at_once(
    start_worker, inference, evaluations, new_set, rows, evaluate, ended, until, held
):
    rows = rows(4)
    evaluation = evaluate(new_set(rows))
    environ = {}
    if held == "answer":
        inference.held = requests_for(rows)
    elif held == "warm-up":
        inference.held = {"base"}
    elif held == "pause":
        inference.refuses = lambda path, body: (503, "loading")
    else:
        environ = {"INFERENCE_URL": f"http://127.0.0.1:{free_port()}/v1"}
    worker = start_worker(**environ)
    until(evaluation, lambda found: found["status"] == "running")
    evaluations.post(f"/api/v1/evaluations/{evaluation}/cancel")
    until(evaluation, lambda _: f"evaluation {evaluation}: another worker has it" in worker.log)
    assert ended(evaluation)["error"] == "cancelled"


def test_a_bad_certificate_fails_it_at_once(start_worker, inference, test_set, evaluate, ended):
    evaluation = evaluate(test_set)
    start_worker(INFERENCE_URL=inference.url.replace("http://", "https://"))

    assert "The secure connection failed" in ended(evaluation)["error"]
