"""The evaluation worker: real processes, killed, stopped, late, and in front of a server that behaves badly."""

import io
import signal
import time
import uuid

import psycopg
import pytest

from run.settings import free_port
from shared.s3.bucket import Bucket
from shared.s3.client import connect

EVALUATIONS = "/api/v1/evaluations"
MODELS = "/api/v1/models"
RESULTS = {"base_model": {"accuracy": 0.5}, "fine_tuned": {"accuracy": 0.6}}

on_postgresql = pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
"""What has little to do with the database runs on one: each test starts a process."""


@pytest.fixture
def datasets(store_settings):
    return Bucket(connect(store_settings), "datasets")


@pytest.fixture
def examples(evaluations):
    """Return all of an evaluation's examples."""

    def examples(evaluation):
        found, page = [], 1
        while data := _examples(evaluations, evaluation, page)["data"]:
            found, page = found + data, page + 1
        return found

    return examples


def _examples(evaluations, evaluation, page):
    return evaluations.get(f"{EVALUATIONS}/{evaluation}/examples", params={"limit": 100, "page": page}).json()


def _lapse(evaluations, evaluation):
    """End a lease before its ten seconds are over: one test that waits for them is enough."""
    with psycopg.connect(evaluations.running.part.environ["DATABASE_URL"]) as connection:
        connection.execute("UPDATE evaluation SET leased_until = 0 WHERE id = %s", (evaluation,))


def _keys(some_rows):
    return {(model, text) for model in ("base", "tuned") for text, _ in some_rows}


def _done(number):
    return lambda found: found["status"] == "running" and found["progress"]["done"] == number


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
    times = [figures[role].pop(f"{name}_response_time_ms") for role in figures for name in ("avg", "p50", "p95")]
    assert min(times) > 0
    ratios = ("accuracy", "f1_score", "precision", "recall", "invalid", "extracted")
    assert figures == {
        "base_model": dict(zip(ratios, (0.5, 0.5833, 0.75, 0.5, 1, 0), strict=True)),
        "fine_tuned": dict(zip(ratios, (0.75, 0.7333, 0.8333, 0.75, 0, 0), strict=True)),
    }
    deltas = [record["results"]["improvement"][f"{name}_delta"] for name in ("accuracy", "f1_score", "precision")]
    assert deltas == ["+50.0%", "+25.7%", "+11.1%"]
    assert record["results"]["improvement"]["accuracy_difference"] == 0.25
    assert (record["results"]["n"], record["results"]["errors"], record["results"]["retried"]) == (4, {}, 0)
    scored = record["results"]["scoring"]
    assert (scored["rule"], scored["extract_label"], scored["max_error_rate"]) == ("labels", False, 0.05)
    found = record["results"]["significance"]
    assert (found["n"], found["base_model_only"], found["fine_tuned_only"], found["p_value"]) == (4, 1, 2, 1)
    assert found["verdict"] == "not_distinguishable"
    assert found["summary"].startswith("not distinguishable: 75.0 % against 50.0 %, 95 % interval of the difference ")
    for name in ("accuracy_difference_interval", "f1_difference_interval"):
        low, high = found[name]
        assert -1 <= low < 0 < high <= 1
    assert [example["winner"] for example in record["examples"]] == ["tie", "fine_tuned", "fine_tuned", "base_model"]
    assert record["examples"][3]["base_model_output"] == "Negative."

    provenance = record["provenance"]
    assert [len(provenance[name]) for name in ("test_set_sha256", "manifest_digest")] == [64, 64]
    system = "Answer with one of these labels and nothing else: {labels}"
    assert provenance["prompt"] == {"system": system, "user": "{input}"}
    inferred = provenance["inference"]
    assert (inferred["temperature"], inferred["seed"], inferred["max_tokens"]) == (0, 0, 256)
    assert (inferred["order"], inferred["in_flight"], inferred["timeout_s"]) == ("interleave", 4, 30)
    assert (provenance["mixed"], record["stale"]) == (False, False)
    assert provenance["worker_version"]

    assert inference.asked == dict.fromkeys(_keys(rows), 1)
    assert inference.keys == {"Bearer secret"}
    chat = next(body for body in inference.bodies if body["messages"][-1]["content"] == rows[1][0])
    assert [message["role"] for message in chat["messages"]] == ["system", "user"]
    assert "negative, positive" in chat["messages"][0]["content"]
    assert chat["temperature"] == 0

    def reported(_):
        return models.get(f"{MODELS}/{model}").json()["model"]["eval_results"] == record["results"]["fine_tuned"]

    until(evaluation, reported)


@on_postgresql
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


@on_postgresql
def test_it_polls_where_there_is_no_redis_and_says_how_far_it_is(
    start_worker, inference, new_set, rows, evaluate, ended, until
):
    start_worker(REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")
    rows = rows(12)
    inference.takes_s = 0.05
    inference.held = _keys(rows[6:])
    inference.faults = {("base", rows[1][0]): [lambda answer: answer.answer(None)]}
    evaluation = evaluate(new_set(rows), max_error_rate=0.5)
    progress = until(evaluation, _done(6))["progress"]
    inference.go_on.set()

    assert (progress["done"], progress["total"], progress["errors"]) == (6, 12, 1)
    assert 0 <= progress["eta_seconds"] < 30
    assert ended(evaluation)["results"]["n"] == 11


@on_postgresql
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
    assert len(systems) == 2 * 2 * 60
    assert all("intent 0, intent 1" in system for system in systems)


@on_postgresql
def test_labels_that_are_none_fail_it(start_worker, new_set, evaluate, ended):
    evaluation = evaluate(new_set([("a", "long " * 100)]), scoring="labels")
    start_worker()

    assert ended(evaluation)["error"].startswith("scoring: The test set's expected texts are")


@on_postgresql
def test_the_rate_of_errors_that_it_bears_is_its_own(start_worker, inference, new_set, rows, evaluate, ended):
    rows = rows(10)
    inference.faults = {("base", text): [lambda answer: answer.answer(None)] * 2 for text, _ in rows[:3]}
    strict, lenient = (evaluate(new_set(rows), max_error_rate=rate) for rate in (0.2, 0.3))
    start_worker(INFERENCE_CONCURRENCY="1")

    assert "3 of 10 rows ended in an error (3 × no_completion), more than 0.2 of them" in ended(strict)["error"]
    results = ended(lenient)["results"]
    assert (results["n"], results["errors"]) == (7, {"no_completion": 3})
    assert results["scoring"]["max_error_rate"] == 0.3


@on_postgresql
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
    assert results["errors"] == dict.fromkeys(reasons, 1)
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


@on_postgresql
def test_it_says_in_short_what_the_server_did(start_worker, inference, new_set, rows, evaluate, ended):
    faults = {
        "400: a": lambda answer: answer.send(400, {"error": {"message": "a\0b\ud800" + "x" * 10**6}}),
        "400: b": lambda answer: answer.send(400, b"b\0b\xff" + b"x" * 10**6),
        "400: {": lambda answer: answer.send(400, {"error": "no object"}),
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


@on_postgresql
def test_a_server_that_refuses_us_fails_it_at_once(start_worker, inference, evaluate, test_set, ended):
    inference.faults["base", "Hello"] = [lambda answer: answer.send(401, {"error": {"message": "who are you?"}})] * 99
    evaluation = evaluate(test_set)
    start_worker()
    record = ended(evaluation, within_s=5)

    assert record["status"] == "failed"
    assert "gives no answer: 401: who are you?" in record["error"]
    assert len(inference.bodies) == 1


@on_postgresql
def test_it_waits_for_a_server_that_is_away(start_worker, inference, evaluate, test_set, ended):
    inference.faults["base", "Hello"] = [lambda answer: answer.send(503, b"loading", Retry_After=0)] * 2
    inference.faults["tuned", "Hello"] = [lambda answer: answer.answer(None)]
    evaluation = evaluate(test_set)
    start_worker()

    assert ended(evaluation)["status"] == "completed"
    assert len(inference.bodies) == 4 + 4


@on_postgresql
def test_an_unknown_model_fails_it(start_worker, inference, evaluate, test_set, ended):
    record = evaluate(test_set, fine_tuned_served_name="Model from Job 1")
    start_worker()
    record = ended(record)

    assert record["status"] == "failed"
    assert "'Model from Job 1'" in record["error"]
    assert "'base', 'tuned'" in record["error"]
    assert not inference.asked


@on_postgresql
def test_another_worker_finishes_what_a_killed_one_began(
    start_worker, inference, new_set, rows, evaluate, ended, until, examples
):
    rows = rows(40)
    inference.held = _keys(rows[20:])
    evaluation = evaluate(new_set(rows))
    killed = start_worker()
    until(evaluation, _done(20))
    until(evaluation, lambda _: sum(inference.asked.values()) == 44)
    killed.kill()
    start_worker(INFERENCE_CONCURRENCY="5")
    inference.go_on.set()
    record = ended(evaluation, within_s=20)

    assert (record["status"], record["results"]["n"]) == ("completed", 40)
    assert record["provenance"]["mixed"] is True
    assert {inference.asked[key] for key in _keys(rows[:20])} == {1}
    assert sum(inference.asked.values()) == 84
    assert [example["input"] for example in examples(evaluation)] == [text for text, _ in rows]


def test_two_workers_share_the_work(start_worker, inference, new_set, rows, evaluate, ended):
    rows = rows(60)
    inference.answers = {key: "negative" for key in _keys(rows[::2]) if key[0] == "base"}
    sets = [new_set(rows[start : start + 10]) for start in range(0, 60, 10)]
    evaluations = [evaluate(path) for path in sets]
    workers = [start_worker(), start_worker()]
    records = [ended(evaluation) for evaluation in evaluations]

    assert {record["status"] for record in records} == {"completed"}
    assert {record["results"]["base_model"]["accuracy"] for record in records} == {0.5}
    assert inference.asked == dict.fromkeys(_keys(rows), 1)
    assert sum(worker.log.count(": claimed") for worker in workers) == 6


@on_postgresql
def test_a_late_worker_drops_its_result(
    evaluations, start_worker, inference, new_set, rows, evaluate, ended, until, examples
):
    def late(answer):
        inference.go_on.wait(60)
        answer.answer("late")

    rows = rows(10)
    inference.faults = {key: [late] for key in _keys(rows)}
    evaluation = evaluate(new_set(rows))
    slow = start_worker()
    until(evaluation, lambda _: sum(inference.asked.values()) == 4)
    slow.signal(signal.SIGSTOP)
    _lapse(evaluations, evaluation)
    inference.faults = {}
    start_worker()
    before = ended(evaluation)
    inference.go_on.set()
    slow.signal(signal.SIGCONT)
    next_one = evaluate(new_set(rows))

    assert ended(next_one)["status"] == "completed"
    deadline = time.monotonic() + 5
    while f"evaluation {evaluation}: another worker has it" not in slow.log and time.monotonic() < deadline:
        time.sleep(0.05)
    assert f"evaluation {evaluation}: another worker has it" in slow.log
    assert before["status"] == "completed"
    assert ended(evaluation) == before
    assert {example["fine_tuned_output"] for example in examples(evaluation)} == {"positive"}


@on_postgresql
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
        inference.held = _keys(rows[5:]) if held == "rows" else {"tuned"}
        stopping = start_worker()
        until(evaluation, _done(5) if held == "rows" else lambda _: len(inference.bodies) == 2)
    stopping.process.terminate()
    assert stopping.process.wait(10) == 0
    assert f"evaluation {evaluation}: released, the worker is stopping" in stopping.log
    inference.go_on.set()
    start_worker()
    assert ended(evaluation)["status"] == "completed"


@on_postgresql
def test_it_stops_at_once_where_there_is_no_work(start_worker):
    worker = start_worker()
    deadline = time.monotonic() + 20
    while "ready" not in worker.log:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    worker.process.terminate()

    assert worker.process.wait(3) == 0


@on_postgresql
def test_a_deleted_test_set_fails_it(start_worker, datasets, test_set, evaluate, ended):
    evaluation = evaluate(test_set)
    datasets.remove(test_set.removeprefix("datasets/"))
    start_worker()

    assert ended(evaluation)["error"] == "The test set is no longer there."


@on_postgresql
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
        "line 2: Row 2: input: Must be a string.",
        "body: Has no rows.",
        "line 1: Is not UTF-8.",
    ]


@on_postgresql
@pytest.mark.parametrize("change", ["changed", "deleted"])
def test_a_test_set_that_changes_while_it_is_asked_fails_it(
    start_worker, inference, datasets, new_set, rows, evaluate, ended, until, change
):
    rows = rows(10)
    inference.held = _keys(rows[5:])
    path = new_set(rows)
    evaluation = evaluate(path)
    start_worker()
    until(evaluation, _done(5))
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


@on_postgresql
def test_answers_to_another_content_are_dropped(
    start_worker, inference, new_set, rows, evaluate, ended, until, examples
):
    rows = rows(10)
    inference.held = _keys(rows[5:])
    path = new_set(rows)
    evaluation = evaluate(path)
    first = start_worker()
    until(evaluation, _done(5))
    first.process.terminate()
    assert first.process.wait(5) == 0
    others = [(f"other {text}", expected) for text, expected in rows[:7]]
    new_set(others, path.removeprefix("datasets/"))
    start_worker()

    assert ended(evaluation)["results"]["n"] == 7
    assert [example["input"] for example in examples(evaluation)] == [text for text, _ in others]


@on_postgresql
def test_a_model_deleted_while_it_runs_changes_nothing(
    start_worker, inference, new_set, rows, ready_model, evaluate, ended, until, models
):
    rows = rows(4)
    inference.held = _keys(rows[2:])
    model = ready_model()
    evaluation = evaluate(new_set(rows), model)
    worker = start_worker()
    until(evaluation, _done(2))
    assert models.delete(f"{MODELS}/{model}").status_code == 200
    inference.go_on.set()

    assert ended(evaluation)["status"] == "completed"
    until(evaluation, lambda _: f"There is no model {model}." in worker.log)


@on_postgresql
def test_results_reach_the_model_later(start_worker, test_set, ready_model, evaluate, ended, until, models):
    model = ready_model()
    evaluation = evaluate(test_set, model)
    alone = start_worker(MODELS_URL=f"http://127.0.0.1:{free_port()}")
    results = ended(evaluation)["results"]
    until(evaluation, lambda _: "the model has not its results yet" in alone.log)
    alone.kill()

    def eval_results():
        return models.get(f"{MODELS}/{model}").json()["model"]["eval_results"]

    assert eval_results() is None
    start_worker()
    until(evaluation, lambda _: eval_results() == results["fine_tuned"])


@on_postgresql
def test_the_model_has_the_results_of_the_newest(start_worker, test_set, ready_model, evaluate, put, until, models):
    model = ready_model()
    worker = start_worker(INFERENCE_URL=f"http://127.0.0.1:{free_port()}/v1")
    older, newer = evaluate(test_set, model), evaluate(test_set, model)
    for evaluation, accuracy in ((newer, 0.9), (older, 0.1)):
        figures = {"base_model": {}, "fine_tuned": {"accuracy": accuracy}}
        assert put(evaluation, status="completed", results=figures).status_code == 200

    def eval_results():
        return models.get(f"{MODELS}/{model}").json()["model"]["eval_results"]

    until(newer, lambda _: eval_results() == {"accuracy": 0.9})
    time.sleep(1.5)  # the worker looks every second for what is due
    assert eval_results() == {"accuracy": 0.9}
    assert worker.process.poll() is None


@on_postgresql
def test_what_the_model_never_takes_is_sent_once(start_worker, test_set, evaluate, put, until):
    evaluation = evaluate(test_set)
    figures = {"base_model": {}, "fine_tuned": {"note": "x" * 2**20}}
    assert put(evaluation, status="completed", results=figures).status_code == 200
    worker = start_worker()
    until(evaluation, lambda _: "will never have its results" in worker.log)
    time.sleep(1.5)  # the worker looks every second for what is due

    assert worker.log.count(f"evaluation {evaluation}: the model") == 1


def test_a_report_from_outside_voids_the_lease(
    start_worker, inference, new_set, rows, evaluate, ended, until, put, show
):
    rows = rows(10)
    inference.held = _keys(rows[5:])
    evaluation = evaluate(new_set(rows))
    worker = start_worker()
    until(evaluation, _done(5))
    example = {"input": "own", "expected": "a", "base_model_output": "a", "fine_tuned_output": "a"}
    reported = put(evaluation, status="completed", results=RESULTS, examples=[example])
    assert reported.status_code == 200
    inference.go_on.set()
    until(evaluation, lambda _: f"evaluation {evaluation}: another worker has it" in worker.log)

    record = show(evaluation)
    assert (record["results"], record["examples"]) == (reported.json()["results"], reported.json()["examples"])
    assert ended(evaluate(new_set(rows)))["status"] == "completed"
