"""The worker's loop: it polls where nothing notifies it, and stops at once."""

import pytest

from run.settings import free_port
from tests.support.databases import only_on
from tests.support.evaluations import requests_for, rows_done
from tests.support.waiting import wait_until


@only_on("postgresql")
def test_it_polls_where_there_is_no_redis_and_says_how_far_it_is(
    start_worker, inference, new_set, rows, evaluate, ended, until
):
    start_worker(REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")
    rows = rows(12)
    inference.takes_s = 0.05
    inference.held = requests_for(rows[6:])
    inference.faults = {("base", rows[1][0]): [lambda answer: answer.answer(None)]}
    evaluation = evaluate(new_set(rows), max_error_rate=0.5)
    progress = until(evaluation, rows_done(6))["progress"]
    inference.go_on.set()

    assert (progress["done"], progress["total"], progress["errors"]) == (6, 12, 1)
    assert 0 <= progress["eta_seconds"] < 30
    assert ended(evaluation)["results"]["n"] == 11


@only_on("postgresql")
@pytest.mark.parametrize("held", ["rows", "warm-up", "retries"])
def test_it_stops_at_once_and_another_worker_goes_on(
    start_worker, inference, new_set, rows, evaluate, ended, until, held
):
    rows = rows(10)
    evaluation = evaluate(new_set(rows))
    if held == "retries":
        stopping = start_worker(INFERENCE_URL=f"http://127.0.0.1:{free_port()}/v1")
        until(evaluation, lambda found: found["status"] == "running")
    else:
        inference.held = requests_for(rows[5:]) if held == "rows" else {"tuned"}
        stopping = start_worker()
        until(evaluation, rows_done(5) if held == "rows" else lambda _: len(inference.bodies) == 2)
    stopping.process.terminate()
    assert stopping.process.wait(30) == 0
    assert f"evaluation {evaluation}: released, the worker is stopping" in stopping.log
    inference.go_on.set()
    start_worker()
    assert ended(evaluation)["status"] == "completed"


@only_on("postgresql")
def test_it_stops_at_once_where_there_is_no_work(start_worker):
    worker = start_worker()
    wait_until(lambda: "ready" in worker.log)
    worker.process.terminate()

    assert worker.process.wait(30) == 0
