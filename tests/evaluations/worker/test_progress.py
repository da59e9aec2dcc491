"""The progress of an evaluation: each answer counts at once, also where its row waits hours for the other model's."""

from tests.support.databases import only_on
from tests.support.evaluations import requests_for


def answers_are(number):
    return lambda found: found["status"] == "running" and found["progress"]["answers"] == number


def test_it_works_where_the_models_are_asked_one_after_the_other(
    start_worker, inference, new_set, rows, evaluate, ended, until
):
    rows = rows(12)
    inference.held = {("tuned", text) for text, _ in rows[4:]}
    evaluation = evaluate(new_set(rows))
    start_worker(INFERENCE_ORDER="blocks", INFERENCE_CONCURRENCY="16")
    progress = until(evaluation, answers_are(16))["progress"]
    inference.go_on.set()

    assert (progress["answers_total"], progress["done"], progress["total"]) == (24, 4, 12)
    assert progress["eta_seconds"] is not None
    assert ended(evaluation)["progress"] is None


@only_on("postgresql")
def test_the_first_model_of_two_has_progress_before_a_row_is_done(
    start_worker, inference, new_set, rows, evaluate, until
):
    rows = rows(12)
    inference.takes_s = 0.05  # or no second would be left
    inference.held = {("base", text) for text, _ in rows[6:]}
    evaluation = evaluate(new_set(rows))
    start_worker(INFERENCE_ORDER="blocks", INFERENCE_CONCURRENCY="16")
    progress = until(evaluation, answers_are(6))["progress"]

    assert (progress["answers_total"], progress["done"]) == (24, 0)
    assert progress["eta_seconds"] > 0


@only_on("postgresql")
def test_a_model_alone_has_one_answer_a_row(start_worker, inference, new_set, rows, evaluate, until):
    rows = rows(6)
    inference.held = requests_for(rows[2:])
    evaluation = evaluate(new_set(rows), base=None)
    start_worker()
    assert until(evaluation, answers_are(2))["progress"]["answers_total"] == 6


@only_on("postgresql")
def test_what_another_worker_stored_stays_and_tells_nothing_of_the_time_left(
    start_worker, inference, new_set, rows, evaluate, ended, until
):
    rows = rows(10)
    inference.held = requests_for(rows[5:])
    evaluation = evaluate(new_set(rows))
    stopping = start_worker()
    until(evaluation, answers_are(10))
    stopping.process.terminate()
    assert stopping.process.wait(30) == 0
    start_worker()
    found = until(evaluation, lambda found: found["status"] == "running" and found["progress"]["eta_seconds"] is None)
    assert found["progress"]["answers"] == 10
    inference.go_on.set()
    assert ended(evaluation)["status"] == "completed"


@only_on("postgresql")
def test_answers_that_are_taken_over_tell_nothing_of_the_time_left(
    start_worker, inference, new_set, rows, evaluate, ended, until
):
    rows = rows(10)
    path = new_set(rows)
    start_worker()
    ended(evaluate(path))
    inference.held = {("tuned", text) for text, _ in rows}
    progress = until(evaluate(path, reuse_base=True), answers_are(10))["progress"]
    assert (progress["answers_total"], progress["eta_seconds"]) == (20, None)


@only_on("postgresql")
def test_a_retry_counts_what_is_kept(start_worker, evaluations, inference, new_set, rows, evaluate, ended, until):
    rows = rows(10)
    inference.faults["tuned", rows[0][0]] = [lambda answer: answer.answer(None)]
    evaluation = evaluate(new_set(rows), max_error_rate=0.5)
    start_worker()
    ended(evaluation)
    inference.held = {("tuned", rows[0][0])}
    assert evaluations.post(f"/api/v1/evaluations/{evaluation}/retry").status_code == 200
    progress = until(evaluation, answers_are(19))["progress"]
    assert (progress["answers_total"], progress["done"], progress["errors"]) == (20, 9, 0)


@only_on("postgresql")
def test_a_set_of_other_content_begins_at_none(start_worker, inference, new_set, rows, evaluate, until):
    first, second = rows(6), [(f"another {text}", expected) for text, expected in rows(8)]
    path = new_set(first)
    inference.held = requests_for(first[3:]) | requests_for(second)
    evaluation = evaluate(path)
    stopping = start_worker()
    until(evaluation, answers_are(6))
    stopping.process.terminate()
    assert stopping.process.wait(30) == 0
    new_set(second, path.removeprefix("datasets/"))
    start_worker()
    progress = until(evaluation, lambda found: (found["progress"] or {}).get("total") == 8)["progress"]
    assert (progress["answers"], progress["answers_total"]) == (0, 16)


@only_on("postgresql")
def test_what_another_worker_waited_for_is_not_told_once_the_server_answers(
    start_worker, inference, new_set, rows, evaluate, until
):
    rows = rows(6)
    inference.held = requests_for(rows[2:])
    evaluation = evaluate(new_set(rows))
    in_vain = start_worker(INFERENCE_URL="http://127.0.0.1:9/v1")
    until(evaluation, lambda found: "waiting for the server" in ((found["progress"] or {}).get("message") or ""))
    in_vain.process.terminate()
    assert in_vain.process.wait(30) == 0
    start_worker()
    assert until(evaluation, answers_are(4))["progress"]["message"] is None
