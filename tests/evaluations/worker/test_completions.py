"""What an answer holds: cut and failed generations, content parts, reasoning, streams, gzip, errors with 200."""

import gzip
import json

import pytest

from tests.support.databases import only_on

pytestmark = only_on("postgresql")


@pytest.fixture
def run(start_worker, inference, new_set, rows, evaluate, ended):
    """Have the fine-tuned model answer the first row in a way of its own; returns the evaluation's detail."""

    def run(*faults, count=4, **how):
        rows_ = rows(count)
        inference.faults["tuned", rows_[0][0]] = list(faults)
        evaluation = evaluate(new_set(rows_), **({"max_error_rate": 0.5} | how))
        start_worker()
        return ended(evaluation)

    return run


@pytest.mark.parametrize(
    ("reason", "tries"), [("error", 5), ("abort", 5), ("content_filter", 1)], ids=["error", "abort", "content_filter"]
)
def test_a_generation_that_failed_is_no_answer(run, inference, reason, tries):
    record = run(*[lambda answer: answer.answer("posi", finish_reason=reason)] * 5)

    assert record["results"]["n"] == 3
    assert record["results"]["errors"]["fine_tuned"][reason]["count"] == 1
    assert inference.asked["tuned", record["examples"][0]["input"]] == tries


def test_a_generation_that_was_cut_counts_and_shows(run):
    record = run(lambda answer: answer.answer("positive", finish_reason="length"))

    results = record["results"]
    assert (results["n"], results["fine_tuned"]["accuracy"]) == (4, 1)
    assert (results["base_model"]["truncated"], results["fine_tuned"]["truncated"]) == (0, 1)


def test_a_model_that_never_stops_fails_it_with_advice(run):
    record = run(lambda answer: answer.answer("well, " * 50, finish_reason="length"), max_error_rate=0.2)

    assert record["status"] == "failed"
    assert "In 1 of 4 rows a generation was cut at max_tokens" in record["error"]
    assert "raise max_tokens" in record["error"]


def parts(answer):
    answer.answer(
        [{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "posi"}, {"type": "text", "text": "tive"}]
    )


def streamed(answer):
    events = [
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "posi"}}]},
        {"choices": [{"index": 0, "delta": {"content": "tive"}, "finish_reason": "stop"}]},
        {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}},
    ]
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
    answer.send(200, body.encode(), Content_Type="text/event-stream")


def gzipped(answer):
    whole = {"choices": [{"message": {"content": "positive"}}], "usage": {"prompt_tokens": 7, "completion_tokens": 2}}
    answer.send(200, gzip.compress(json.dumps(whole).encode()), Content_Encoding="gzip")


def reasoned(answer):
    answer.answer("<think>negative? No, it is not that bad.</think>\n\n**Positive**")


def beside_reasoning(answer):
    answer.answer("positive", reasoning_content="negative? No.")


@pytest.mark.parametrize("fault", [parts, streamed, gzipped, reasoned, beside_reasoning])
def test_an_answer_is_read_however_it_comes(run, inference, fault):
    results = run(fault)["results"]

    assert (results["n"], results["fine_tuned"]["accuracy"], results["fine_tuned"]["invalid"]) == (4, 1, 0)
    assert results["fine_tuned"]["tokens"] == {"input": 28, "output": 8}


def test_reasoning_without_an_answer_has_a_reason_of_its_own(run):
    record = run(lambda answer: answer.answer(None, finish_reason="length", reasoning_content="so"))

    assert "raise max_tokens" in record["results"]["errors"]["fine_tuned"]["only_reasoning"]["message"]


@pytest.mark.parametrize("status", [408, 409, 424, 425, 498, 500, 502, 504, 520, 529])
def test_what_may_pass_is_tried_again(run, inference, status):
    record = run(lambda answer: answer.send(status, {"error": "later"}))

    assert (record["results"]["n"], record["results"]["errors"]["fine_tuned"]) == (4, {})
    assert inference.asked["tuned", record["examples"][0]["input"]] == 2


def test_an_error_with_200_is_tried_again(run, inference):
    record = run(lambda answer: answer.send(200, {"error": {"message": "overloaded"}}))

    assert (record["results"]["n"], record["results"]["errors"]["fine_tuned"]) == (4, {})


def test_a_quota_that_is_used_up_is_not(run, inference):
    said = {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}
    record = run(lambda answer: answer.send(429, said))

    assert record["results"]["errors"]["fine_tuned"]["insufficient_quota"]["count"] == 1
    assert inference.asked["tuned", record["examples"][0]["input"]] == 1


def test_errors_that_could_explain_the_difference_are_said(start_worker, inference, new_set, rows, evaluate, ended):
    rows = rows(40)
    for text, _ in rows[:10]:
        inference.answers["base", text] = "wrong"
    for text, _ in rows[10:22]:
        inference.faults["tuned", text] = [lambda answer: answer.send(400, {"error": "too long"})]
    evaluation = evaluate(new_set(rows), max_error_rate=0.5)
    start_worker()
    results = ended(evaluation)["results"]

    assert (results["n"], results["significance"]["verdict"]) == (28, "better")
    said = results["significance"]["summary"]
    assert "the fine-tuned model has no answer to 12 rows, which could explain the difference" in said
    assert "10 of 28 answers of the base model are no label" in said
    assert results["warnings"][-1].endswith("of the base model are no label, for example 'wrong'.")


def test_markup_is_no_difference_between_models(start_worker, inference, new_set, rows, evaluate, ended):
    rows = rows(20)
    inference.answers = {("base", text): "**Positive**" for text, _ in rows}
    inference.answers |= {("tuned", text): "negative" for text, _ in rows[:4]}
    evaluation = evaluate(new_set(rows), scoring="labels")
    start_worker()
    results = ended(evaluation)["results"]

    assert results["base_model"]["accuracy"] == 1
    assert results["significance"]["verdict"] != "better"


def test_answers_that_do_not_repeat_are_not_given_away(start_worker, inference, new_set, evaluate, ended):
    cities = ("Paris", "Rome", "Madrid", "Berlin", "Vienna", "Warsaw")
    evaluation = evaluate(new_set([(f"capital {number}?", city) for number, city in enumerate(cities)]))
    start_worker()
    results = ended(evaluation)["results"]

    assert (results["scoring"]["rule"], results["scoring"]["labels"]) == ("text", None)
    assert not [body for body in inference.bodies if "Paris" in json.dumps(body)]


def test_one_class_is_said(start_worker, inference, new_set, rows, evaluate, ended):
    evaluation = evaluate(new_set(rows(4)))
    start_worker()
    results = ended(evaluation)["results"]

    assert results["scoring"]["labels"] == ["positive"]
    assert results["warnings"][0].startswith("All rows expect the same, 'positive'")
