"""PUT /api/v1/evaluations/:id"""

import json

import pytest

from tests.support.databases import one_database

EVALUATIONS = "/api/v1/evaluations"
RESULTS = {
    "base_model": {"accuracy": 0.72, "f1_score": 0.70},
    "fine_tuned": {"accuracy": 0.89, "f1_score": 0.87},
}
EXAMPLE = {
    "input": "Test input",
    "expected": "positive",
    "base_model_output": "neutral",
    "fine_tuned_output": "positive",
}
DOCUMENTED = {"status": "completed", "results": RESULTS, "examples": [EXAMPLE]}


def test_it_works(evaluations, new_evaluation, show):
    number = new_evaluation()
    answer = evaluations.put(f"{EVALUATIONS}/{number}", json=DOCUMENTED)

    assert answer.status_code == 200
    record = answer.json()
    assert record["ID"] == number
    assert "id" not in record
    assert (record["status"], record["error"]) == ("completed", None)
    assert record["results"]["base_model"] == RESULTS["base_model"]
    assert record["results"]["fine_tuned"] == RESULTS["fine_tuned"]
    assert record["completed_at"] >= record["created_at"]
    assert record["started_at"]
    detail = show(number)
    assert {name: detail[name] for name in ("results", "examples", "completed_at")} == {
        name: record[name] for name in ("results", "examples", "completed_at")
    }


def test_it_derives_what_is_left_out(new_evaluation, put):
    record = put(new_evaluation(), **DOCUMENTED).json()

    improvement = record["results"]["improvement"]
    assert (improvement["accuracy_delta"], improvement["f1_score_delta"]) == ("+23.6%", "+24.3%")
    assert (improvement["accuracy_difference"], improvement["precision_delta"]) == (0.17, None)
    example = record["examples"][0]
    assert (example["base_model_correct"], example["fine_tuned_correct"]) == (False, True)
    assert (example["winner"], example["error"]) == ("fine_tuned", None)


def test_without_a_base_its_metrics_are_null(new_evaluation, put):
    results = {"base_model": None, "fine_tuned": {"accuracy": 0.89}}
    example = {"input": "a", "expected": "b", "fine_tuned_output": "b"}
    record = put(new_evaluation(base=None), status="completed", results=results, examples=[example]).json()

    assert (record["status"], record["results"]) == ("completed", results)
    assert (record["examples"][0]["fine_tuned_correct"], record["examples"][0]["winner"]) == (True, None)
    for base, reported in ((None, RESULTS), (True, results)):
        number = new_evaluation(**({"base": None} if base is None else {}))
        answer = put(number, status="completed", results=reported)
        assert answer.status_code == 422
        assert list(answer.json()["errors"]) == ["results.base_model"]


def test_it_keeps_what_is_given(new_evaluation, put):
    own = {"accuracy_delta": "a lot"}
    figures = {"rouge": 0.5, "nested": {"a": [1, None, "b"]}}
    example = EXAMPLE | {"base_model_correct": True, "fine_tuned_correct": False, "winner": "tie", "error": "odd"}
    results = {"base_model": figures, "fine_tuned": {"accuracy": None}, "improvement": own, "note": "mine"}
    record = put(new_evaluation(), status="completed", results=results, examples=[example]).json()

    assert record["results"] == results
    assert record["examples"] == [example]


@pytest.mark.parametrize(
    ("example", "winner"),
    [
        ({"base_model_output": "positive"}, None),
        ({"base_model_output": "positive", "fine_tuned_output": None}, None),
        ({"base_model_output": "Positive.", "fine_tuned_output": " POSITIVE\n"}, "tie"),
        ({"base_model_output": "", "fine_tuned_output": "negative"}, "tie"),
        ({"base_model_output": "positive", "fine_tuned_output": "not positive"}, "base_model"),
        ({"base_model_correct": False, "fine_tuned_correct": True}, "fine_tuned"),
        ({"base_model_output": "a", "fine_tuned_output": "positive", "error": "timeout"}, None),
    ],
)
def test_it_derives_the_winner(new_evaluation, put, example, winner):
    row = {"input": "a", "expected": "positive"} | example
    record = put(new_evaluation(), status="completed", results=RESULTS, examples=[row]).json()

    assert record["examples"][0]["winner"] == winner


def test_a_failed_one_says_why(new_evaluation, put):
    assert put(new_evaluation(), status="failed", error="out of memory").json()["error"] == "out of memory"
    assert put(new_evaluation(), status="failed").json()["error"]


@pytest.mark.parametrize(
    "body",
    [
        DOCUMENTED,
        {"status": "completed", "results": RESULTS},
        {"status": "failed"},
        {"status": "failed", "error": None},
        {"status": "failed", "error": "x", "examples": [EXAMPLE], "results": RESULTS},
    ],
)
def test_the_same_again_changes_nothing(new_evaluation, put, show, body):
    number = new_evaluation()
    first = put(number, **body)
    again = put(number, **body)

    assert (first.status_code, again.status_code) == (200, 200), again.text
    assert again.json() == first.json()


def test_what_it_shows_can_be_sent_back(evaluations, new_evaluation, put, show):
    number = new_evaluation()
    examples = [EXAMPLE | {"input": str(row)} for row in range(150)]
    record = put(number, status="completed", results=RESULTS, examples=examples).json()

    assert put(number, **record).status_code == 200
    assert put(number, **show(number)).status_code == 200
    total = evaluations.get(f"{EVALUATIONS}/{number}/examples").json()["total"]
    assert total == 150


def test_what_is_pending_can_be_sent_back_completed(new_evaluation, put, show):
    number = new_evaluation()
    answer = put(number, **show(number) | {"status": "completed", "results": RESULTS})

    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    "other",
    [
        {"results": RESULTS | {"note": "x"}},
        {"results": {**RESULTS, "fine_tuned": {"accuracy": 0.9}}},
        {"examples": [EXAMPLE | {"input": "other"}]},
        {"examples": []},
        {"examples": [EXAMPLE, EXAMPLE]},
        {"status": "failed"},
        {"error": "x"},
    ],
)
def test_it_rejects_other_content_once_it_is_over(new_evaluation, put, show, other):
    number = new_evaluation()
    put(number, **DOCUMENTED)
    before = show(number)
    answer = put(number, **DOCUMENTED | other)

    assert answer.status_code == 409
    assert "completed" in answer.json()["message"]
    assert show(number) == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ID", 7),
        ("id", 7),
        ("model_id", 999_999),
        ("created_at", "2024-02-19T12:05:00Z"),
        ("test_set_path", "datasets/other"),
        ("fine_tuned_name", "x"),
        ("nonsense", 1),
        ("lease_token", None),
    ],
)
def test_it_rejects_read_only_and_unknown_fields(new_evaluation, put, show, field, value):
    number = new_evaluation()
    answer = put(number, **DOCUMENTED | {field: value})

    assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])
    assert show(number)["status"] == "pending"


def _deep(levels):
    value = 1
    for _ in range(levels):
        value = {"a": value}
    return value


@one_database
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"status": "pending"}, "status"),
        ({"status": "running"}, "status"),
        ({"status": "done"}, "status"),
        ({"status": None}, "status"),
        ({"results": None}, "results"),
        ({"results": []}, "results"),
        ({"results": "x"}, "results"),
        ({"results": {"base_model": {}}}, "results.fine_tuned"),
        ({"results": {"base_model": {}, "fine_tuned": None}}, "results.fine_tuned"),
        ({"results": {"base_model": {"accuracy": 1.01}, "fine_tuned": {}}}, "results.base_model.accuracy"),
        ({"results": {"base_model": {"recall": -0.1}, "fine_tuned": {}}}, "results.base_model.recall"),
        ({"results": {"base_model": {}, "fine_tuned": {"f1_score": "0.5"}}}, "results.fine_tuned.f1_score"),
        ({"results": {"base_model": {}, "fine_tuned": {"precision": True}}}, "results.fine_tuned.precision"),
        ({"results": {"base_model": {}, "fine_tuned": {"accuracy": [0.5]}}}, "results.fine_tuned.accuracy"),
        ({"results": RESULTS | {"improvement": "+23.6%"}}, "results.improvement"),
        ({"results": RESULTS | {"deep": _deep(500)}}, "results"),
        ({"results": RESULTS | {"note": "\0"}}, "results.note"),
        ({"examples": {}}, "examples"),
        ({"examples": None}, "examples"),
        ({"examples": [7]}, "examples.0"),
        ({"examples": [EXAMPLE, {"input": "a"}]}, "examples.1.expected"),
        ({"examples": [EXAMPLE | {"input": None}]}, "examples.0.input"),
        ({"examples": [EXAMPLE | {"winner": "nobody"}]}, "examples.0.winner"),
        ({"examples": [EXAMPLE | {"fine_tuned_correct": "yes"}]}, "examples.0.fine_tuned_correct"),
        ({"examples": [EXAMPLE | {"fine_tuned_correct": 1}]}, "examples.0.fine_tuned_correct"),
        ({"examples": [EXAMPLE | {"base_model_output": 1}]}, "examples.0.base_model_output"),
        ({"examples": [EXAMPLE | {"error": "x" * 256}]}, "examples.0.error"),
        ({"examples": [EXAMPLE | {"base_model_output": "\ud800"}]}, "examples.0.base_model_output"),
        ({"examples": [EXAMPLE | {"nonsense": 1}]}, "examples.0.nonsense"),
        ({"error": ""}, "error"),
        ({"error": "x" * 10_001}, "error"),
    ],
)
def test_it_rejects_a_bad_field(new_evaluation, put, show, change, field):
    number = new_evaluation()
    answer = put(number, **DOCUMENTED | change)

    assert answer.status_code == 422, answer.text
    assert list(answer.json()["errors"]) == [field]
    assert show(number)["status"] == "pending"


@pytest.mark.parametrize("levels", [90, 200, *range(880, 1000, 12), 100_000])
def test_any_depth_gets_an_answer(evaluations, new_evaluation, levels):
    deep = b'{"a":' * levels + b"1" + b"}" * levels
    body = b'{"status": "completed", "results": {"base_model": {}, "fine_tuned": {"x": ' + deep + b"}}}"
    number = new_evaluation()
    url = f"{EVALUATIONS}/{number}"
    answer = evaluations.put(url, data=body, headers={"Content-Type": "application/json"})

    assert answer.status_code in (200, 400, 422), answer.text
    assert evaluations.get(url).status_code == 200


def test_it_rejects_a_missing_status(new_evaluation, evaluations):
    answer = evaluations.put(f"{EVALUATIONS}/{new_evaluation()}", json={"results": RESULTS})

    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["status"])


@pytest.mark.parametrize("number", ["999999999", str(2**63 - 1), str(2**64), "x"])
def test_it_rejects_an_unknown_number(put, number):
    assert put(number, **DOCUMENTED).status_code == 404


def test_it_takes_8_mib_and_no_byte_more(new_evaluation, evaluations):
    body = json.dumps(DOCUMENTED).encode()
    url = f"{EVALUATIONS}/{new_evaluation()}"
    headers = {"Content-Type": "application/json"}
    limit = 8 * 2**20

    assert evaluations.put(url, data=body + b" " * (limit - len(body) + 1), headers=headers).status_code == 413
    assert evaluations.put(url, data=iter([b" " * limit, b" "]), headers=headers).status_code == 413
    assert evaluations.put(url, data=body + b" " * (limit - len(body)), headers=headers).status_code == 200


def test_it_takes_many_examples(new_evaluation, put, evaluations):
    number = new_evaluation()
    answer = put(number, status="completed", results=RESULTS, examples=[EXAMPLE] * 20_000)

    assert answer.status_code == 200, answer.text
    assert len(answer.json()["examples"]) == 100
    assert evaluations.get(f"{EVALUATIONS}/{number}/examples").json()["total"] == 20_000


@one_database
def test_a_million_wrong_examples_are_told_of_in_short(new_evaluation, evaluations):
    body = b'{"status": "completed", "examples": [' + b",".join([b"{}"] * 1_000_000) + b"]}"
    headers = {"Content-Type": "application/json"}
    answer = evaluations.put(f"{EVALUATIONS}/{new_evaluation()}", data=body, headers=headers)

    assert (answer.status_code, len(answer.json()["errors"])) == (422, 20)


def test_it_rejects_what_is_no_json(evaluations, new_evaluation):
    url = f"{EVALUATIONS}/{new_evaluation()}"

    assert evaluations.put(url, data="{}").status_code == 415
    assert evaluations.put(url, data="{", headers={"Content-Type": "application/json"}).status_code == 400
    nan = '{"status": "completed", "results": {"base_model": {"accuracy": NaN}, "fine_tuned": {}}}'
    assert evaluations.put(url, data=nan, headers={"Content-Type": "application/json"}).status_code == 400


def test_it_takes_the_time_of_completion(put, new_evaluation):
    evaluation = new_evaluation()
    report = DOCUMENTED | {"completed_at": "2026-02-19T13:05:00+01:00"}

    answer = put(evaluation, **report)

    assert answer.status_code == 200
    assert answer.json()["completed_at"] == "2026-02-19T12:05:00Z"
    assert put(evaluation, **report).status_code == 200
    assert put(evaluation, **report | {"completed_at": "2026-02-19T12:05:01Z"}).status_code == 409
