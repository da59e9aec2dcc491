"""POST /api/v1/evaluations/:id/cancel"""

import pytest

EVALUATIONS = "/api/v1/evaluations"
RESULTS = {"base_model": {}, "fine_tuned": {}}


@pytest.fixture
def cancel(evaluations):
    return lambda number: evaluations.post(f"{EVALUATIONS}/{number}/cancel")


def test_it_works(cancel, new_evaluation, show):
    number = new_evaluation()
    answer = cancel(number)

    assert answer.status_code == 200
    record = answer.json()
    assert (record["ID"], record["status"], record["error"], record["results"]) == (number, "failed", "cancelled", None)
    assert record["completed_at"].endswith("Z")
    assert show(number)["error"] == "cancelled"


def test_twice_is_as_once(cancel, new_evaluation):
    number = new_evaluation()

    assert cancel(number).json() == cancel(number).json()


@pytest.mark.parametrize("status", ["completed", "failed"])
def test_it_rejects_one_that_is_over(cancel, new_evaluation, put, show, status):
    number = new_evaluation()
    put(number, status=status, results=RESULTS)
    before = show(number)
    answer = cancel(number)

    assert answer.status_code == 409
    assert answer.json()["message"] == f"Evaluation {number} is {status} already."
    assert show(number) == before


@pytest.mark.parametrize("number", ["999999999", "0", "x", str(2**63)])
def test_it_rejects_an_unknown_number(cancel, number):
    answer = cancel(number)

    assert answer.status_code == 404
    assert answer.json()["message"]


def test_it_rejects_other_methods(evaluations, new_evaluation):
    answer = evaluations.get(f"{EVALUATIONS}/{new_evaluation()}/cancel")

    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
def test_its_worker_goes_on_with_the_next(cancel, start_worker, inference, new_set, evaluate, until, ended):
    rows = [(f"cancelled {number}", "positive") for number in range(10)]
    inference.held = {(model, text) for model in ("base", "tuned") for text, _ in rows[5:]}
    evaluation = evaluate(new_set(rows))
    start_worker()
    until(evaluation, lambda found: found["status"] == "running" and found["progress"]["done"] == 5)
    assert cancel(evaluation).status_code == 200
    next_one = evaluate(new_set([("after it", "positive")]))

    assert ended(next_one)["status"] == "completed"
    record = ended(evaluation)
    assert (record["error"], len(record["examples"])) == ("cancelled", 5)
