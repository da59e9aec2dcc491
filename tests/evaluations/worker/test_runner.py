"""A run: both models are asked every row once, rows in error count for neither, some errors end it."""

import io
import uuid

import pytest

from tests.support.databases import only_on
from tests.support.evaluations import requests_for, rows_done

MODELS = "/api/v1/models"


def test_it_works(start_worker, inference, new_set, evaluate, ready_model, ended, models, until):
    rows = [("great", "positive"), (' "nice"\n', "positive"), ("bad", "negative"), ("awful", "negative")]
    answers = {"base": ("positive", "neutral", "positive", "Negative."), "tuned": ("positive",) * 2 + ("negative",) * 2}
    inference.answers = {
        (model, text): answer for model, all_ in answers.items() for (text, _), answer in zip(rows, all_, strict=True)
    } | {("tuned", "awful"): "positive"}
    model = ready_model()
    evaluation = evaluate(new_set(rows), model)
    start_worker(INFERENCE_API_KEY="secret")
    record = ended(evaluation)

    assert (record["status"], record["error"], record["progress"]) == ("completed", None, None)
    figures = {role: dict(record["results"][role]) for role in ("base_model", "fine_tuned")}
    assert [figures[role].pop("tokens") for role in figures] == [{"input": 28, "output": 8}] * 2
    assert [figures[role].pop("truncated") for role in figures] == [0, 0]
    measured = ("avg", "p50", "p95", "first")
    times = [figures[role].pop(f"{name}_response_time_ms") for role in figures for name in measured]
    for role in figures:
        low, high = figures[role].pop("accuracy_interval")
        assert 0 < low < figures[role]["accuracy"] < high < 1
    assert min(times) > 0
    ratios = ("accuracy", "f1_score", "precision", "recall", "invalid", "extracted")
    assert figures == {
        "base_model": dict(zip(ratios, (0.5, 0.5833, 0.75, 0.5, 1, 0), strict=True)),
        "fine_tuned": dict(zip(ratios, (0.75, 0.7333, 0.8333, 0.75, 0, 0), strict=True)),
    }
    assert record["results"]["confusion"] == {
        "labels": ["negative", "positive"],
        "base_model": [[1, 1, 0], [0, 1, 1]],
        "fine_tuned": [[1, 1, 0], [0, 2, 0]],
    }
    labels = record["results"]["labels"]
    assert [(each["label"], each["n"]) for each in labels] == [("negative", 2), ("positive", 2)]
    assert labels[0]["base_model"] == {"precision": 1, "recall": 0.5, "f1_score": 0.6667}
    deltas = [record["results"]["improvement"][f"{name}_delta"] for name in ("accuracy", "f1_score", "precision")]
    assert deltas == ["+50.0%", "+25.7%", "+11.1%"]
    assert record["results"]["improvement"]["accuracy_difference"] == 0.25
    assert (record["results"]["n"], record["results"]["retried"]) == (4, 0)
    assert record["results"]["errors"] == {"base_model": {}, "fine_tuned": {}}
    scored = record["results"]["scoring"]
    assert (scored["rule"], scored["extract_label"], scored["max_error_rate"]) == ("labels", False, 0.05)
    found = record["results"]["significance"]
    assert (found["n"], found["base_model_only"], found["fine_tuned_only"]) == (4, 1, 2)
    assert (found["test"], found["p_value"], found["p_value_exact"]) == ("mcnemar_mid_p", 0.625, 1)
    assert found["verdict"] == "not_distinguishable"
    assert record["results"]["summary"] == found["summary"]
    assert found["summary"].startswith("not distinguishable: 75.0 % against 50.0 %, 95 % interval of the difference ")
    for name in ("accuracy_difference_interval", "f1_difference_interval"):
        low, high = found[name]
        assert -1 <= low < 0 < high <= 1
    assert [example["winner"] for example in record["examples"]] == ["tie", "fine_tuned", "fine_tuned", "base_model"]
    assert record["examples"][3]["base_model_output"] == "Negative."

    provenance = record["provenance"]
    assert [len(provenance[name]) for name in ("test_set_sha256", "manifest_digest")] == [64, 64]
    system = "Answer with one of these labels and nothing else: negative, positive"
    assert len(provenance["prompt"].pop("sha256")) == 64
    assert provenance["prompt"] == {"system": system, "template": "{{ input }}", "examples": 0}
    assert provenance["answers_as"]["base_model"] == {"model": None, "system_fingerprint": None}
    user = {"role": "user", "content": "great"}
    assert provenance["first_request"] == [{"role": "system", "content": system}, user]
    assert provenance["adapted"] == {}
    inferred = provenance["inference"]
    assert (inferred["temperature"], inferred["seed"], inferred["max_tokens"]) == (0, 0, 1024)
    assert inferred["url"] == inference.url
    assert set(provenance["warm_up_ms"]) == {"base_model", "fine_tuned"}
    assert (inferred["order"], inferred["in_flight"], inferred["timeout_s"]) == ("interleave", 4, 30)
    assert (provenance["mixed"], record["stale"]) == (False, False)
    assert provenance["worker_version"]

    assert inference.asked == dict.fromkeys(requests_for(rows), 1)
    assert inference.keys == {"Bearer secret"}
    chat = next(body for body in inference.bodies if body["messages"][-1]["content"] == rows[1][0])
    assert [message["role"] for message in chat["messages"]] == ["system", "user"]
    assert "negative, positive" in chat["messages"][0]["content"]
    assert chat["temperature"] == 0

    def reported(_):
        return models.get(f"{MODELS}/{model}").json()["model"]["eval_results"] == record["results"]["fine_tuned"]

    until(evaluation, reported)


@only_on("postgresql")
def test_it_lists_no_labels_where_there_are_none(start_worker, inference, new_set, evaluate, ended):
    evaluation = evaluate(new_set([(f"question {number}", f"answer {number}") for number in range(51)]))
    start_worker()

    results = ended(evaluation)["results"]
    assert results["fine_tuned"]["accuracy"] == 0
    assert results["scoring"]["rule"] == "text"
    assert "accuracy is the only ratio" in results["scoring"]["description"]
    assert results["fine_tuned"]["f1_score"] is results["improvement"]["f1_score_delta"] is None
    assert results["significance"]["f1_difference_interval"] is None
    assert results["significance"]["p_value"] == 1
    chats = [body["messages"] for body in inference.bodies if body["messages"][-1]["content"] != "Hello"]
    assert {len(messages) for messages in chats} == {1}


@only_on("postgresql")
def test_it_scores_as_it_is_told(start_worker, inference, new_set, rows, evaluate, ended, examples):
    many = [(text, f"intent {number}") for number, (text, _) in enumerate(rows(60))]
    answers = {("base", text): f"I think it is {expected}" for text, expected in many}
    inference.answers = answers | {("tuned", text): expected for text, expected in many}
    path = new_set(many)
    labels, extracted, text = (
        evaluate(path, **how) for how in ({"scoring": "labels"}, {"extract_label": True}, {"scoring": "text"})
    )
    start_worker()
    results = {evaluation: ended(evaluation)["results"] for evaluation in (labels, extracted, text)}

    assert {results[evaluation]["scoring"]["rule"] for evaluation in (labels, extracted)} == {"labels"}
    assert results[text]["scoring"]["rule"] == "text"
    assert [results[evaluation]["base_model"]["accuracy"] for evaluation in results] == [0, 1, 0]
    assert [results[evaluation]["base_model"]["extracted"] for evaluation in results] == [0, 60, None]
    assert [results[evaluation]["base_model"]["invalid"] for evaluation in results] == [60, 0, None]
    assert results[labels]["significance"]["verdict"] == "better"
    assert results[extracted]["scoring"]["extract_label"] is True
    assert [example["base_model_correct"] for example in examples(extracted)] == [True] * 60
    systems = [body["messages"][0]["content"] for body in inference.bodies if len(body["messages"]) == 2]
    assert len(systems) == 2 * (2 + 2 * 60)
    assert all("intent 0, intent 1" in system for system in systems)


@only_on("postgresql")
def test_labels_that_are_none_fail_it(start_worker, new_set, evaluate, ended):
    evaluation = evaluate(new_set([("a", "long " * 100)]), scoring="labels")
    start_worker()

    assert ended(evaluation)["error"].startswith("scoring: The test set's expected texts are")


@only_on("postgresql")
def test_the_rate_of_errors_that_it_bears_is_its_own(start_worker, inference, new_set, rows, evaluate, ended):
    rows = rows(10)
    inference.faults = {("base", text): [lambda answer: answer.answer(None)] * 2 for text, _ in rows[:3]}
    strict, lenient = (evaluate(new_set(rows), max_error_rate=rate) for rate in (0.2, 0.3))
    start_worker(INFERENCE_CONCURRENCY="1")

    assert "3 of 10 rows ended in an error (3 × no_completion), more than 0.2 of them" in ended(strict)["error"]
    results = ended(lenient)["results"]
    said = {"no_completion": {"count": 3, "message": "The completion is None."}}
    assert (results["n"], results["errors"]) == (7, {"base_model": said, "fine_tuned": {}})
    assert results["scoring"]["max_error_rate"] == 0.3


@only_on("postgresql")
def test_rows_in_error_count_for_neither(start_worker, inference, new_set, rows, evaluate, ended, examples):
    rows = rows(100)
    texts = [text for text, _ in rows]
    failing = {
        ("tuned", 0): lambda answer: answer.send(500, {"error": {"message": "out of memory"}}),
        ("base", 1): lambda answer: answer.answer(None),
        ("tuned", 2): lambda answer: answer.send(200, b"<html>proxy</html>", Content_Type="text/html"),
        ("base", 3): lambda answer: answer.hang(),
        ("tuned", 4): lambda answer: answer.die(),
    }
    passing = {
        ("tuned", 5): lambda answer: answer.send(429, {}, Retry_After=1),
        ("base", 6): lambda answer: answer.send(200, b'{"choices": ['),
        ("base", 7): lambda answer: answer.send(503, b""),
    }
    inference.faults = {(model, texts[row]): [fault] * 5 for (model, row), fault in failing.items()} | {
        (model, texts[row]): [fault] for (model, row), fault in passing.items()
    }
    inference.answers = {
        ("tuned", texts[8]): "",
        ("tuned", texts[9]): "x" * 10**6,
        ("base", texts[10]): "a\0b\ud800",
    }
    evaluation = evaluate(new_set(rows))
    start_worker(INFERENCE_TIMEOUT_S="1", INFERENCE_CONCURRENCY="10")
    record = ended(evaluation, within_s=40)

    assert record["status"] == "completed", record["error"]
    results = record["results"]
    assert results["n"] == 95
    reasons = ("http_500", "no_completion", "invalid_json", "timeout", "connection")
    by_role = {
        role: {reason: each["count"] for reason, each in found.items()} for role, found in results["errors"].items()
    }
    assert by_role == {
        "base_model": {"no_completion": 1, "timeout": 1},
        "fine_tuned": {"http_500": 1, "invalid_json": 1, "connection": 1},
    }
    assert results["errors"]["fine_tuned"]["http_500"]["message"] == "500: out of memory"
    assert results["base_model"]["accuracy"] == round(94 / 95, 4)
    assert results["fine_tuned"]["accuracy"] == round(93 / 95, 4)
    found = examples(evaluation)
    assert [example["error"] for example in found] == [*reasons, *[None] * 95]
    assert [example["winner"] for example in found[:5]] == [None] * 5
    assert (found[8]["fine_tuned_output"], found[8]["winner"]) == ("", "base_model")
    assert len(found[9]["fine_tuned_output"]) == 10**6
    assert found[10]["base_model_output"].replace("?", "\ufffd") == "a\ufffdb\ufffd"
    assert inference.asked["tuned", texts[0]] == 5
    assert inference.asked["base", texts[1]] == 1
    assert inference.asked["tuned", texts[5]] == 2
    # The second try's time alone: the second that the server had us wait is no answer time.
    assert results["fine_tuned"]["avg_response_time_ms"] < 500


def test_too_many_errors_fail_it_and_its_rows_stay(start_worker, inference, new_set, rows, evaluate, ended, examples):
    rows = rows(30)
    for text, _ in rows[3:]:
        inference.faults["base", text] = [lambda answer: answer.answer(None)]
    evaluation = evaluate(new_set(rows))
    start_worker(INFERENCE_CONCURRENCY="1")
    record = ended(evaluation)

    assert (record["status"], record["results"]) == ("failed", None)
    assert "of 30 rows ended in an error" in record["error"]
    assert "more than 0.05 of them" in record["error"]
    assert "The completion is None." in record["error"]
    found = examples(evaluation)
    assert [example["error"] for example in found[:3]] == [None] * 3
    assert {example["error"] for example in found[3:]} == {"no_completion"}


@only_on("postgresql")
def test_it_says_in_short_what_the_server_did(start_worker, inference, new_set, rows, evaluate, ended):
    faults = {
        "400: a": lambda answer: answer.send(400, {"error": {"message": "a\0b\ud800" + "x" * 10**6}}),
        "400: b": lambda answer: answer.send(400, b"b\0b\xff" + b"x" * 10**6),
        "400: no object": lambda answer: answer.send(400, {"error": "no object"}),
        "400: [": lambda answer: answer.send(400, b"[" * 10**5),
        "307: ": lambda answer: answer.send(307, b"", Location="http://127.0.0.1:1/"),
        "has no completion: {": lambda answer: answer.send(200, {"choices": []}),
        "The completion is [": lambda answer: answer.answer(["\0\ud800" * 10**5]),
        "larger than": lambda answer: answer.send(200, b"x" * (5 * 2**20)),
    }
    evaluations = []
    for fault, (text, expected) in zip(faults.values(), rows(len(faults)), strict=True):
        inference.faults["tuned", text] = [fault]
        evaluations.append(evaluate(new_set([(text, expected)])))
    start_worker()

    for evaluation, said in zip(evaluations, faults, strict=True):
        error = ended(evaluation)["error"]
        assert error.startswith("1 of 1 rows ended in an error"), error
        assert said in error
        assert len(error) < 1000


@only_on("postgresql")
def test_a_server_that_refuses_us_fails_it_at_once(start_worker, inference, evaluate, test_set, ended):
    inference.faults["base", "Hello"] = [lambda answer: answer.send(401, {"error": {"message": "who are you?"}})] * 99
    evaluation = evaluate(test_set)
    start_worker()
    record = ended(evaluation)

    assert record["status"] == "failed"
    assert "gives no answer: 401: who are you?" in record["error"]
    assert len(inference.bodies) == 1


@only_on("postgresql")
def test_it_waits_for_a_server_that_is_away(start_worker, inference, evaluate, test_set, ended):
    inference.faults["base", "Hello"] = [lambda answer: answer.send(503, b"loading", Retry_After=0)] * 2
    inference.faults["tuned", "Hello"] = [lambda answer: answer.answer(None)]
    evaluation = evaluate(test_set)
    start_worker()

    assert ended(evaluation)["status"] == "completed"
    assert len(inference.bodies) == 4 + 4


@only_on("postgresql")
def test_an_unknown_model_fails_it(start_worker, inference, evaluate, test_set, ended):
    record = evaluate(test_set, fine_tuned_served_name="Model from Job 1")
    start_worker()
    record = ended(record)

    assert record["status"] == "failed"
    assert "'Model from Job 1'" in record["error"]
    assert "'base', 'tuned'" in record["error"]
    assert not inference.asked


@only_on("postgresql")
def test_a_deleted_test_set_fails_it(start_worker, datasets, test_set, evaluate, ended):
    evaluation = evaluate(test_set)
    datasets.remove(test_set.removeprefix("datasets/"))
    start_worker()

    assert ended(evaluation)["error"] == "The test set is no longer there."


@only_on("postgresql")
def test_an_invalid_test_set_fails_it(start_worker, datasets, evaluate, ended):
    name = uuid.uuid4().hex
    bodies = (b'{"input": "a", "expected": "b"}\n{"input": 1}', b"", b"\xff")
    evaluations = []
    for number, body in enumerate(bodies):
        datasets.put(f"{name}-{number}", io.BytesIO(body))
        evaluations.append(evaluate(f"datasets/{name}-{number}"))
    start_worker()
    errors = [ended(evaluation)["error"] for evaluation in evaluations]

    assert errors == [
        "line 2: Row 2: expected: Must be a string. It has input: name the fields with ?input=…&expected=…",
        "body: Has no rows.",
        "line 1: Is not UTF-8.",
    ]


@only_on("postgresql")
@pytest.mark.parametrize("change", ["changed", "deleted"])
def test_a_test_set_that_changes_while_it_is_asked_fails_it(
    start_worker, inference, datasets, new_set, rows, evaluate, ended, until, change
):
    rows = rows(10)
    inference.held = requests_for(rows[5:])
    path = new_set(rows)
    evaluation = evaluate(path)
    start_worker()
    until(evaluation, rows_done(5))
    if change == "changed":
        new_set(rows[:9], path.removeprefix("datasets/"))
    else:
        datasets.remove(path.removeprefix("datasets/"))
    inference.go_on.set()

    assert (
        ended(evaluation)["error"]
        == {
            "changed": "The test set was changed while it was asked.",
            "deleted": "The test set is no longer there.",
        }[change]
    )


@only_on("postgresql")
def test_answers_to_another_content_are_dropped(
    start_worker, inference, new_set, rows, evaluate, ended, until, examples
):
    rows = rows(10)
    inference.held = requests_for(rows[5:])
    path = new_set(rows)
    evaluation = evaluate(path)
    first = start_worker()
    until(evaluation, rows_done(5))
    first.process.terminate()
    assert first.process.wait(30) == 0
    others = [(f"other {text}", expected) for text, expected in rows[:7]]
    new_set(others, path.removeprefix("datasets/"))
    start_worker()

    assert ended(evaluation)["results"]["n"] == 7
    assert [example["input"] for example in examples(evaluation)] == [text for text, _ in others]


@only_on("postgresql")
def test_a_model_deleted_while_it_runs_changes_nothing(
    start_worker, inference, new_set, rows, ready_model, evaluate, ended, until, models
):
    rows = rows(4)
    inference.held = requests_for(rows[2:])
    model = ready_model()
    evaluation = evaluate(new_set(rows), model)
    worker = start_worker()
    until(evaluation, rows_done(2))
    assert models.delete(f"{MODELS}/{model}").status_code == 200
    inference.go_on.set()

    assert ended(evaluation)["status"] == "completed"
    until(evaluation, lambda _: f"There is no model {model}." in worker.log)
