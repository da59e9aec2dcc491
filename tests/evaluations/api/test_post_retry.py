"""POST /api/v1/evaluations/:id/retry"""

import pytest

EVALUATIONS = "/api/v1/evaluations"
RESULTS = {"base_model": {}, "fine_tuned": {}}

on_postgresql = pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)


@pytest.fixture
def retry(evaluations):
    return lambda number: evaluations.post(f"{EVALUATIONS}/{number}/retry")


def test_it_works(retry, new_evaluation, put, show):
    number = new_evaluation()
    put(number, status="failed", error="no reason", examples=[{"input": "a", "expected": "b"}])
    answer = retry(number)

    assert answer.status_code == 200
    record = answer.json()
    assert (record["ID"], record["status"], record["error"], record["results"]) == (number, "pending", None, None)
    assert (record["started_at"], record["completed_at"], record["examples"]) == (None, None, [])
    assert show(number)["status"] == "pending"


@pytest.mark.parametrize("status", ["pending", "completed"])
def test_it_rejects_one_that_has_not_failed(retry, new_evaluation, put, show, status):
    number = new_evaluation()
    if status == "completed":
        put(number, status=status, results=RESULTS)
    before = show(number)
    answer = retry(number)

    assert answer.status_code == 409
    assert f"Evaluation {number} is {status}" in answer.json()["message"]
    assert show(number) == before


@pytest.mark.parametrize("number", ["999999999", "0", "x", str(2**63)])
def test_it_rejects_an_unknown_number(retry, number):
    answer = retry(number)

    assert answer.status_code == 404
    assert answer.json()["message"]


def test_it_asks_again_what_was_in_error_and_nothing_else(
    retry, start_worker, inference, new_set, evaluate, ended, until
):
    rows = [(f"retried {number}", "positive") for number in range(20)]
    bad = [text for text, _ in rows[::4]]
    inference.faults = {("tuned", text): [lambda answer: answer.answer(None)] for text in bad}
    evaluation = evaluate(new_set(rows))
    start_worker(INFERENCE_CONCURRENCY="1")
    failed = ended(evaluation)
    asked_before = dict(inference.asked)
    in_error = [example["input"] for example in failed["examples"] if example["error"]]
    assert failed["status"] == "failed"
    assert in_error == bad[:2]
    assert retry(evaluation).status_code == 200
    inference.faults = {}
    record = ended(evaluation)

    assert (record["status"], record["error"]) == ("completed", None)
    assert (record["results"]["n"], record["results"]["retried"]) == (20, 2)
    again = {key for key, times in inference.asked.items() if times == 2}
    wanted = {(model, text) for model in ("base", "tuned") for text in in_error}
    assert again >= wanted
    assert len(again - wanted) <= 2  # what was queued when it failed may have been asked, its answer dropped
    assert set(asked_before) < set(inference.asked)
    assert [example["input"] for example in record["examples"]] == [text for text, _ in rows]


@on_postgresql
def test_a_cancelled_one_goes_on(evaluations, retry, start_worker, inference, new_set, evaluate, ended, until):
    rows = [(f"resumed {number}", "positive") for number in range(10)]
    inference.held = {(model, text) for model in ("base", "tuned") for text, _ in rows[5:]}
    evaluation = evaluate(new_set(rows))
    worker = start_worker()
    until(evaluation, lambda found: found["status"] == "running" and found["progress"]["done"] == 5)
    evaluations.post(f"{EVALUATIONS}/{evaluation}/cancel")
    worker.kill()
    assert retry(evaluation).status_code == 200
    inference.go_on.set()
    start_worker()
    record = ended(evaluation)

    assert (record["results"]["n"], record["results"]["retried"]) == (10, 0)
    assert {inference.asked[model, text] for model in ("base", "tuned") for text, _ in rows[:5]} == {1}


@on_postgresql
def test_what_an_outside_worker_reported_are_no_rows(retry, start_worker, inference, new_set, evaluate, ended, put):
    rows = [(f"own {number}", "positive") for number in range(3)]
    evaluation = evaluate(new_set(rows))
    example = {"input": "theirs", "expected": "a", "base_model_output": "a", "fine_tuned_output": "a"}
    put(evaluation, status="failed", examples=[example])
    retry(evaluation)
    start_worker()
    record = ended(evaluation)

    assert [example["input"] for example in record["examples"]] == [text for text, _ in rows]
    assert record["results"]["n"] == 3


@on_postgresql
def test_a_completed_one_asks_its_rows_in_error_again(
    evaluations, retry, start_worker, inference, new_set, evaluate, ended
):
    rows = [(f"again {number}", "positive") for number in range(4)]
    inference.faults = {("base", rows[1][0]): [lambda answer: answer.answer(None)]}
    evaluation = evaluate(new_set(rows), max_error_rate=0.5)
    start_worker()
    assert ended(evaluation)["results"]["n"] == 3
    assert evaluations.post(f"{EVALUATIONS}/{evaluation}/retry", json={"other": 1}).status_code == 422
    assert evaluations.post(f"{EVALUATIONS}/{evaluation}/retry", json={"max_error_rate": 0}).status_code == 200
    results = ended(evaluation)["results"]

    assert (results["n"], results["retried"], results["scoring"]["max_error_rate"]) == (4, 1, 0)
    assert retry(evaluation).status_code == 409
