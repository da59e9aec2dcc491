"""GET /api/v1/evaluations/:id/examples"""

import pytest

from tests.support.databases import one_database

EVALUATIONS = "/api/v1/evaluations"
RESULTS = {"base_model": {}, "fine_tuned": {}}


@pytest.fixture
def reported(new_evaluation, put):
    """An evaluation of 120 rows: each kind of winner, and each tenth row in error."""
    examples = []
    for row in range(120):
        outputs = {"base_model_output": "xy"[row % 2], "fine_tuned_output": "xy"[row // 2 % 2]}
        fault = {"fine_tuned_output": None, "error": "timeout"} if row % 10 == 0 else {}
        examples.append({"input": str(row), "expected": "x"} | outputs | fault)
    number = new_evaluation()
    assert put(number, status="completed", results=RESULTS, examples=examples).status_code == 200
    return number


@pytest.fixture
def rows(evaluations, reported):
    def rows(**query):
        answer = evaluations.get(f"{EVALUATIONS}/{reported}/examples", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return rows


def test_it_works(rows):
    first, second = rows(limit=100), rows(limit=100, page=2)

    assert list(first) == ["data", "total", "page", "limit"]
    assert [example["input"] for example in first["data"] + second["data"]] == [str(row) for row in range(120)]
    assert first["data"][1] == {
        "input": "1",
        "expected": "x",
        "base_model_output": "y",
        "base_model_correct": False,
        "fine_tuned_output": "x",
        "fine_tuned_correct": True,
        "winner": "fine_tuned",
        "error": None,
    }


def test_an_error_row_has_no_winner(rows):
    example = rows(limit=1)["data"][0]

    assert (example["error"], example["winner"], example["fine_tuned_correct"]) == ("timeout", None, None)


def test_it_filters(rows):
    found = {name: rows(limit=100, winner=name) for name in ("fine_tuned", "base_model", "tie")}

    assert all(example["winner"] == name for name, page in found.items() for example in page["data"])
    assert rows(error="true")["total"] == 12
    assert rows(error="false")["total"] == sum(page["total"] for page in found.values()) == 108
    assert rows(error="true", winner="tie")["data"] == []
    assert len(rows()["data"]) == 10
    assert rows(page=2**62)["total"] == 120


def test_a_pending_one_has_none(evaluations, new_evaluation):
    answer = evaluations.get(f"{EVALUATIONS}/{new_evaluation()}/examples")

    assert answer.json() == {"data": [], "total": 0, "page": 1, "limit": 10}


@one_database
@pytest.mark.parametrize("query", ["winner=nobody", "error=1", "error=True", "limit=101", "page=0"])
def test_it_rejects_a_bad_query(evaluations, new_evaluation, query):
    answer = evaluations.get(f"{EVALUATIONS}/{new_evaluation()}/examples?{query}")

    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == [query.partition("=")[0]]


@pytest.mark.parametrize("number", ["999999999", "0", str(2**63)])
def test_it_rejects_an_unknown_evaluation(evaluations, number):
    assert evaluations.get(f"{EVALUATIONS}/{number}/examples").status_code == 404
