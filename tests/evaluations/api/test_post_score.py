"""POST /api/v1/evaluations/:id/score: other rules over the answers that are stored, and rules of an evaluation"""

import pytest

from tests.support.databases import one_database, only_on

EVALUATIONS = "/api/v1/evaluations"
MODELS = "/api/v1/models"


@pytest.fixture
def score(evaluations):
    return lambda number, **how: evaluations.post(f"{EVALUATIONS}/{number}/score", json=how)


@pytest.fixture
def done(start_worker, inference, new_set, rows, evaluate, ended):
    """Return an evaluation whose answers are longer than what is expected; one row is in error."""
    rows = rows(8)
    inference.answers = {("tuned", text): "It is positive" for text, _ in rows}
    inference.answers |= {("base", text): "It is very, very negative" for text, _ in rows}
    inference.faults["base", rows[7][0]] = [lambda answer: answer.answer(None)]
    evaluation = evaluate(new_set(rows), max_error_rate=0.5)
    start_worker()
    assert ended(evaluation)["results"]["fine_tuned"]["accuracy"] == 0
    return evaluation


def test_it_works(score, done, inference, ended):
    asked = inference.asked.total()
    answer = score(done, scoring="contains")

    assert answer.status_code == 202, answer.text
    number = answer.json()["evaluation_id"]
    assert answer.headers["Location"].endswith(f"/evaluations/{number}")
    record = ended(number)
    results = record["results"]
    assert (record["status"], results["n"], results["scoring"]["rule"]) == ("completed", 7, "contains")
    assert (results["base_model"]["accuracy"], results["fine_tuned"]["accuracy"]) == (0, 1)
    assert results["significance"]["verdict"] == "better"
    assert results["errors"]["base_model"]["no_completion"]["count"] == 1
    assert record["provenance"]["answers_of"] == done
    assert [example["winner"] for example in record["examples"]] == ["fine_tuned"] * 7 + [None]
    assert inference.asked.total() == asked


@only_on("postgresql")
def test_graded_scores_have_their_own_test(score, done, ended):
    results = ended(score(done, scoring={"rule": "token_f1"}).json()["evaluation_id"])["results"]

    assert (results["base_model"]["score"], results["fine_tuned"]["score"]) == (0, 0.5)
    assert (results["significance"]["test"], results["significance"]["fine_tuned_only"]) == ("paired_bootstrap", 7)
    extracted = ended(score(done, scoring="labels", extract_label=True).json()["evaluation_id"])["results"]
    assert extracted["fine_tuned"]["extracted"] == 7


@only_on("postgresql")
def test_an_evaluation_may_be_scored_so_from_the_start(start_worker, inference, new_set, evaluate, ended):
    rows = [(f"sum {number}", str(number)) for number in range(6)]
    inference.answers = {(model, text): f"#### {expected}.2" for model in ("base", "tuned") for text, expected in rows}
    inference.answers["base", "sum 3"] = "17"
    path = new_set(rows)
    near = evaluate(path, scoring={"rule": "number", "tolerance": 0.5})
    graded = evaluate(path, scoring="rouge_l")
    start_worker()

    assert ended(near)["results"]["fine_tuned"]["accuracy"] == 1
    assert [example["winner"] for example in ended(near)["examples"]] == [*["tie"] * 3, "fine_tuned", *["tie"] * 2]
    record = ended(graded)
    assert record["results"]["fine_tuned"]["score"] == pytest.approx(2 / 3, abs=1e-4)
    assert record["examples"][3]["winner"] == "fine_tuned"


@only_on("postgresql")
def test_a_set_that_changed_since_fails_it(score, done, ended, show, new_set):
    new_set([("other", "positive")], show(done)["test_set_path"].removeprefix("datasets/"))

    error = ended(score(done, scoring="contains").json()["evaluation_id"])["error"]
    assert "The test set has changed since" in error


def test_it_rejects_one_without_answers(score, new_evaluation, put):
    number = new_evaluation()
    assert score(number, scoring="contains").status_code == 409
    put(number, status="completed", results={"base_model": {}, "fine_tuned": {}})
    assert score(number, scoring="contains").status_code == 409
    assert score(999_999_999, scoring="contains").status_code == 404


@one_database
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"scoring": "unknown"}, "scoring"),
        ({"scoring": {"rule": "number", "tolerance": -1}}, "scoring"),
        ({"scoring": {"rule": "number", "tolerance": "1"}}, "scoring"),
        ({"scoring": {"rule": "json", "fields": []}}, "scoring"),
        ({"scoring": {"rule": "text", "fields": ["a"]}}, "scoring"),
        ({"scoring": {"tolerance": 1}}, "scoring"),
        ({"scoring": 1}, "scoring"),
        ({"scoring": "contains", "extract_label": True}, "extract_label"),
        ({"scoring": "regex"}, "scoring"),
        ({"scoring": {"rule": "regex", "pattern": "(a"}}, "scoring"),
        ({"scoring": {"rule": "regex", "pattern": "(?<=a)b"}}, "scoring"),
        ({"scoring": {"rule": "regex", "pattern": ""}}, "scoring"),
        ({"scoring": {"rule": "regex", "pattern": "a" * 1001}}, "scoring"),
        ({"scoring": {"rule": "regex", "pattern": "a\0"}}, "scoring.pattern"),
        ({"scoring": {"rule": "regex", "pattern": "(a)", "group": 2}}, "scoring"),
        ({"scoring": {"rule": "regex", "pattern": "(a)", "group": -1}}, "scoring"),
        ({"scoring": {"rule": "regex", "pattern": "(a)", "group": "n"}}, "scoring"),
        ({"scoring": {"rule": "regex", "pattern": "(a)", "group": True}}, "scoring"),
        ({"scoring": {"rule": "regex", "pattern": "(a{1000}){1000}"}}, "scoring"),
        ({"scoring": "judge"}, "scoring"),
        ({"scoring": {"rule": "judge", "model": ""}}, "scoring"),
        ({"scoring": {"rule": "judge", "model": 1}}, "scoring"),
        ({"scoring": {"rule": "judge", "model": "m", "rubric": "x" * 10_001}}, "scoring"),
        ({"other": 1}, "other"),
    ],
)
def test_it_rejects_what_is_no_rule(score, new_evaluation, body, field):
    answer = score(new_evaluation(), **body)

    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == [field]
