"""Evaluations without a base: one model alone, with intervals and nothing to compare it with."""

import pytest
from statsmodels.stats.proportion import proportion_confint

from tests.support.databases import only_on
from tests.support.evaluations import rows_done

EVALUATIONS = "/api/v1/evaluations"


def test_it_works(start_worker, inference, new_set, evaluate, ended):
    rows = [(f"text {number}", ("positive", "negative")[number % 2]) for number in range(20)]
    inference.answers = {("tuned", text): expected for text, expected in rows} | {("tuned", "text 0"): "negative"}
    evaluation = evaluate(new_set(rows), base=None)
    start_worker()
    record = ended(evaluation)

    assert (record["status"], record["error"]) == ("completed", None)
    assert record["base_model_name"] is record["base_model_id"] is None
    results = record["results"]
    assert results["base_model"] is results["improvement"] is results["significance"] is None
    tuned = results["fine_tuned"]
    assert (results["n"], tuned["accuracy"]) == (20, 0.95)
    assert tuned["accuracy_interval"] == pytest.approx(proportion_confint(19, 20, method="wilson"), abs=1e-4)
    low, high = tuned["f1_score_interval"]
    assert 0.7 < low < tuned["f1_score"] <= high <= 1
    assert tuned["tokens"] == {"input": 140, "output": 40}
    assert tuned["first_response_time_ms"] > 0
    assert results["summary"] == "95.0 % right, 95 % interval 76.4 to 99.1 %, n = 20"
    assert results["confusion"] == {
        "labels": ["negative", "positive"],
        "base_model": None,
        "fine_tuned": [[10, 0, 0], [1, 9, 0]],
    }
    assert results["labels"][0]["base_model"] is None
    assert results["errors"] == {"fine_tuned": {}}
    assert {example["winner"] for example in record["examples"]} == {None}
    assert {example["base_model_output"] for example in record["examples"]} == {None}
    assert {body["model"] for body in inference.bodies} == {"tuned"}
    assert len(inference.bodies) == 21


@only_on("postgresql")
def test_graded_scores_have_an_interval(start_worker, inference, new_set, rows, evaluate, ended):
    rows = rows(10)
    inference.answers = {("tuned", text): "positive indeed" for text, _ in rows[:5]}
    inference.answers |= {("tuned", text): "" for text, _ in rows[9:]}
    evaluation = evaluate(new_set(rows), base=None, scoring="token_f1", generation={"max_tokens": 5})
    start_worker(INFERENCE_ORDER="blocks")
    results = ended(evaluation)["results"]

    score = (5 * 2 / 3 + 4) / 10
    assert results["fine_tuned"]["score"] == pytest.approx(score, abs=1e-4)
    low, high = results["fine_tuned"]["score_interval"]
    assert low < score < high
    assert results["summary"] == f"a mean score of {score:.3f}, 95 % interval {low:.3f} to {high:.3f}, n = 10"


@only_on("postgresql")
def test_it_goes_on_after_a_kill_and_is_retried_and_scored_again(
    start_worker, inference, evaluations, new_set, rows, evaluate, ended, until
):
    rows = rows(12)
    inference.held = {("tuned", text) for text, _ in rows[6:]}
    inference.faults["tuned", rows[0][0]] = [lambda answer: answer.answer(None)]
    evaluation = evaluate(new_set(rows), base=None, max_error_rate=0.5)
    first = start_worker(INFERENCE_CONCURRENCY="2")
    until(evaluation, rows_done(6))
    first.kill()
    inference.held = set()
    inference.go_on.set()
    start_worker()
    results = ended(evaluation, within_s=60)["results"]
    assert (results["n"], results["errors"]["fine_tuned"]["no_completion"]["count"]) == (11, 1)

    evaluations.post(f"{EVALUATIONS}/{evaluation}/retry")
    assert ended(evaluation)["results"]["n"] == 12
    assert sum(inference.asked.values()) <= 12 + 1 + 2  # one in error, two in flight at the kill
    again = evaluations.post(f"{EVALUATIONS}/{evaluation}/score", json={"scoring": "exact"}).json()["evaluation_id"]
    results = ended(again)["results"]
    assert (results["scoring"]["rule"], results["fine_tuned"]["accuracy"], results["base_model"]) == ("exact", 1, None)


@only_on("postgresql")
def test_no_row_with_an_answer_is_said(start_worker, inference, new_set, rows, evaluate, ended):
    rows = rows(2)
    inference.faults = {("tuned", text): [lambda answer: answer.answer(None)] for text, _ in rows}
    evaluation = evaluate(new_set(rows), base=None, max_error_rate=1)
    start_worker()
    results = ended(evaluation)["results"]

    assert results["summary"] == "there is no row with an answer, n = 0"
    assert results["fine_tuned"]["accuracy_interval"] is results["fine_tuned"]["f1_score_interval"] is None


@only_on("postgresql")
def test_another_model_of_ours_is_the_base(start_worker, inference, ready_model, test_set, evaluate, ended):
    inference.models.append("other")
    other = ready_model(served_name="other")
    evaluation = evaluate(test_set, base_model_id=other)
    start_worker()
    record = ended(evaluation)

    assert (record["base_model_id"], record["base_model_name"], record["status"]) == (other, "other", "completed")
    assert {body["model"] for body in inference.bodies} == {"other", "tuned"}
