"""A judge of free answers: asked in both orders, its errors are error rows, and nothing of it is lost to a kill."""

import re

import pytest

from tests.support.databases import only_on
from tests.support.evaluations import rows_done
from tests.support.waiting import wait_until

EVALUATIONS = "/api/v1/evaluations"
JUDGE = {"rule": "judge", "model": "judge", "rubric": "The longer one."}


class Judging:
    """Judges by ``prefers(first, second)``; ``asked`` has the answers that were shown, in their order, by question."""

    def __init__(self, inference):
        self.prefers = lambda first, second: "tie" if first == second else "AB"[len(second) > len(first)]
        self.asked = []
        self.faults = []
        self.held = False
        self.held_after = None
        self._inference = inference
        inference.models.append("judge")
        inference.answered_by = {"judge": self.answer}

    def answer(self, handler, body):
        text = body["messages"][-1]["content"]
        if text == "Hello":
            return handler.answer("Verdict: tie")
        shown = re.findall(r"<answer_[ab]>\n(.*?)\n</answer_[ab]>", text, re.S)
        if self.held or (self.held_after is not None and len(self.asked) >= self.held_after):
            self._inference.go_on.wait(60)
        self.asked.append((re.search(r"<question>\n(.*?)\n<", text)[1], *shown))
        if self.faults:
            return self.faults.pop(0)(handler)
        return handler.answer(f"Let me see.\nVerdict: {self.prefers(*shown)}")


@pytest.fixture
def judging(inference):
    return Judging(inference)


@pytest.fixture
def answered(inference, rows):
    """Return rows to which the fine-tuned model's answer is the longer one in two of three."""

    def answered(count):
        made = rows(count)
        for number, (text, _) in enumerate(made):
            inference.answers["base", text] = "short" if number % 3 else "very much longer"
            inference.answers["tuned", text] = "a bit longer"
        return made

    return answered


def test_it_works(start_worker, inference, judging, answered, new_set, evaluate, ended):
    rows = answered(12)
    evaluation = evaluate(new_set(rows), scoring=JUDGE)
    start_worker()
    record = ended(evaluation)

    assert (record["status"], record["error"]) == ("completed", None)
    results = record["results"]
    assert (results["n"], results["base_model"]["score"], results["fine_tuned"]["score"]) == (12, 0.3333, 0.6667)
    assert (results["scoring"]["rule"], results["scoring"]["model"]) == ("judge", "judge")
    assert results["scoring"]["rubric"] == "The longer one."
    assert results["judge"] == {"n": 12, "agreed": 12, "tokens": {"input": 168, "output": 48}}
    assert results["errors"] == {"base_model": {}, "fine_tuned": {}, "judge": {}}
    found = results["significance"]
    assert (found["test"], found["base_model_only"], found["fine_tuned_only"]) == ("paired_bootstrap", 4, 8)
    assert results["warnings"] == []
    assert [example["winner"] for example in record["examples"]] == ["base_model", "fine_tuned", "fine_tuned"] * 4
    example = record["examples"][1]
    assert (example["base_model_score"], example["fine_tuned_score"]) == (0, 1)
    assert example["judge"] == {"base_model_first": "fine_tuned", "fine_tuned_first": "fine_tuned"}
    assert example["tokens"]["base_model"] == {"input": 7, "output": 2}
    judged = record["provenance"]["judge"]
    assert (judged["model"], judged["adapted"]) == ("judge", [])
    assert "The longer one." in judged["system"]
    assert sorted(judging.asked) == sorted(
        (text, *shown)
        for text, _ in rows
        for shown in (
            (inference.answers["base", text], inference.answers["tuned", text]),
            (inference.answers["tuned", text], inference.answers["base", text]),
        )
    )


@only_on("postgresql")
def test_a_judge_that_prefers_a_place_says_nothing(start_worker, judging, answered, new_set, evaluate, ended):
    judging.prefers = lambda first, second: "A"
    evaluation = evaluate(new_set(answered(6)), scoring=JUDGE)
    start_worker()
    results = ended(evaluation)["results"]

    assert (results["base_model"]["score"], results["fine_tuned"]["score"]) == (0.5, 0.5)
    assert (results["judge"]["n"], results["judge"]["agreed"]) == (6, 0)
    assert results["significance"]["verdict"] == "not_distinguishable"


@only_on("postgresql")
def test_its_errors_are_error_rows_and_asked_again(
    start_worker, evaluations, inference, judging, answered, new_set, evaluate, ended
):
    rows = answered(6)
    judging.faults = [lambda handler: handler.answer("I like both."), lambda handler: handler.answer(None)]
    evaluation = evaluate(new_set(rows), scoring=JUDGE, max_error_rate=0.5)
    start_worker(INFERENCE_CONCURRENCY="1")
    record = ended(evaluation)

    assert record["results"]["n"] == 4
    errors = record["results"]["errors"]["judge"]
    assert {reason: each["count"] for reason, each in errors.items()} == {
        "judge_no_verdict": 1,
        "judge_no_completion": 1,
    }
    assert errors["judge_no_verdict"]["message"] == "The judge names neither A, B nor tie: 'I like both.'"
    assert [example["error"] for example in record["examples"]][:3] == ["judge_no_verdict", "judge_no_completion", None]
    assert record["examples"][0]["winner"] is None

    asked = inference.asked.total()
    assert evaluations.post(f"{EVALUATIONS}/{evaluation}/retry").status_code == 200
    results = ended(evaluation)["results"]
    assert (results["n"], results["retried"], results["errors"]["judge"]) == (6, 2, {})
    models = [model for model, _ in inference.asked.elements()][asked:]
    assert set(models) <= {"judge"}  # both answers were there


@only_on("postgresql")
def test_too_many_errors_of_the_judge_fail_it(start_worker, judging, answered, new_set, evaluate, ended):
    judging.prefers = lambda first, second: "neither"
    evaluation = evaluate(new_set(answered(40)), scoring=JUDGE)
    start_worker()

    assert "× judge_no_verdict" in ended(evaluation)["error"]
    assert len(judging.asked) < 40


@only_on("postgresql")
def test_a_kill_costs_it_what_is_in_flight(start_worker, inference, judging, answered, new_set, evaluate, ended, until):
    rows = answered(20)
    judging.held_after = 10
    evaluation = evaluate(new_set(rows), scoring=JUDGE)
    first = start_worker(INFERENCE_CONCURRENCY="2")
    until(evaluation, lambda found: found["status"] == "running" and found["progress"]["done"] >= 3)
    first.kill()
    judging.held_after = None
    inference.go_on.set()
    start_worker(INFERENCE_CONCURRENCY="2")
    results = ended(evaluation, within_s=60)["results"]

    assert (results["n"], results["judge"]["n"]) == (20, 20)
    assert len(judging.asked) <= 10 + 2 + 2 * (20 - 3)
    assert all(count == 1 for (model, _), count in inference.asked.items() if model != "judge")


@only_on("postgresql")
def test_its_verdicts_count_as_answers(
    start_worker, evaluations, inference, judging, answered, new_set, evaluate, ended, until
):
    def until_answers(number):
        return until(evaluation, lambda found: found["status"] == "running" and found["progress"]["answers"] == number)

    rows = answered(8)
    inference.faults["base", rows[0][0]] = [lambda answer: answer.answer(None)]
    judging.held_after = 2 * 3
    evaluation = evaluate(new_set(rows), scoring=JUDGE, max_error_rate=0.5)
    start_worker(INFERENCE_CONCURRENCY="1")
    # Sixteen answers, three verdicts, and the row in error that waits for none.
    progress = until_answers(16 + 3 + 1)["progress"]
    assert (progress["answers_total"], progress["done"]) == (24, 4)

    assert evaluations.post(f"{EVALUATIONS}/{evaluation}/cancel").status_code == 200
    assert evaluations.post(f"{EVALUATIONS}/{evaluation}/retry").status_code == 200
    assert until_answers(16 + 3)["progress"]["done"] == 3  # the row in error was asked again and waits for its verdict
    inference.go_on.set()
    assert ended(evaluation)["results"]["n"] == 8


@only_on("postgresql")
def test_stored_answers_are_judged_later(
    start_worker, evaluations, inference, judging, answered, new_set, evaluate, ended
):
    rows = answered(6)
    inference.faults["base", rows[5][0]] = [lambda answer: answer.answer(None)]
    evaluation = evaluate(new_set(rows), max_error_rate=0.5)
    start_worker()
    ended(evaluation)
    asked = {key: count for key, count in inference.asked.items() if key[0] != "judge"}
    answer = evaluations.post(f"{EVALUATIONS}/{evaluation}/score", json={"scoring": JUDGE})
    record = ended(answer.json()["evaluation_id"])

    assert (record["status"], record["results"]["n"]) == ("completed", 5)
    assert record["provenance"]["answers_of"] == evaluation
    assert [example["winner"] for example in record["examples"]] == [
        *("base_model", "fine_tuned", "fine_tuned", "base_model", "fine_tuned"),
        None,
    ]
    assert {key: count for key, count in inference.asked.items() if key[0] != "judge"} == asked
    unknown = evaluations.post(f"{EVALUATIONS}/{evaluation}/score", json={"scoring": {**JUDGE, "model": "nobody"}})
    assert "does not know the model 'nobody'" in ended(unknown.json()["evaluation_id"])["error"]


@only_on("postgresql")
def test_a_judge_that_nobody_knows_fails_before_the_rows_are_asked(
    start_worker, inference, answered, new_set, evaluate, ended
):
    evaluation = evaluate(new_set(answered(3)), scoring={**JUDGE, "model": "nobody"})
    start_worker()

    assert "does not know the model 'nobody'" in ended(evaluation)["error"]
    assert not inference.asked


@only_on("postgresql")
def test_a_model_that_judges_itself_is_warned_of(start_worker, inference, answered, new_set, evaluate, ended):
    evaluation = evaluate(new_set(answered(2)), scoring={**JUDGE, "model": "base"}, max_error_rate=1)
    start_worker()

    (warning, *_) = ended(evaluation)["results"]["warnings"]
    assert warning.startswith("The judge, 'base', is one of the models that it judges")


@only_on("postgresql")
def test_it_obeys_cancel_and_the_limit_of_a_busy_server(
    start_worker, evaluations, inference, judging, answered, new_set, evaluate, ended, until
):
    rows = answered(4)
    judging.faults = [lambda handler: handler.send(429, {"error": {"message": "slow down"}})] * 10
    busy = evaluate(new_set(rows), scoring=JUDGE)
    worker = start_worker()
    results = ended(busy)["results"]
    assert (results["n"], results["errors"]["judge"]) == (4, {})

    judging.held = True
    cancelled = evaluate(new_set(rows), scoring=JUDGE)
    until(cancelled, rows_done(0))
    wait_until(lambda: inference.asked.total() >= 8)
    evaluations.post(f"{EVALUATIONS}/{cancelled}/cancel")
    wait_until(lambda: f"evaluation {cancelled}: another worker has it" in worker.log)
    assert ended(cancelled)["error"] == "cancelled"
