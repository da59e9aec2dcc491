"""GET /api/v1/evaluations"""

import pytest

from tests.support.databases import one_database

EVALUATIONS = "/api/v1/evaluations"
DOCUMENTED = {"ID", "model_id", "status", "base_model_name", "fine_tuned_name", "started_at", "completed_at"}
RESULTS = {"base_model": {"accuracy": 0.72}, "fine_tuned": {"accuracy": 0.89}}


@pytest.fixture
def listed(evaluations):
    def listed(**query):
        answer = evaluations.get(EVALUATIONS, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return listed


def test_it_works(listed, new_evaluation):
    numbers = [new_evaluation() for _ in range(3)]
    page = listed()

    assert list(page) == ["data", "total", "page", "limit"]
    assert (page["page"], page["limit"]) == (1, 10)
    assert [entry["ID"] for entry in page["data"][:3]] == numbers[::-1]
    assert set(page["data"][0]) >= DOCUMENTED
    assert not {"results", "examples"} & set(page["data"][0])


def test_it_filters_by_model_and_status(listed, evaluate, test_set, ready_model, put):
    model = ready_model()
    numbers = [evaluate(test_set, model) for _ in range(3)]
    put(numbers[0], status="failed")
    put(numbers[1], status="completed", results=RESULTS)

    assert [entry["ID"] for entry in listed(model_id=model)["data"]] == numbers[::-1]
    for status, number in zip(("failed", "completed", "pending"), numbers, strict=True):
        page = listed(model_id=model, status=status)
        assert ([entry["ID"] for entry in page["data"]], page["total"]) == ([number], 1)
        assert number in [entry["ID"] for entry in listed(status=status)["data"]]
    assert listed(model_id=model, status="running")["data"] == []
    assert listed(model_id=2**63 - 1) == {"data": [], "total": 0, "page": 1, "limit": 10}


def test_it_pages(listed, evaluate, test_set, ready_model):
    model = ready_model()
    numbers = [evaluate(test_set, model) for _ in range(5)]
    pages = [listed(model_id=model, limit=2, page=page) for page in (1, 2, 3, 4, 2**62)]

    assert [entry["ID"] for page in pages for entry in page["data"]] == numbers[::-1]
    assert {page["total"] for page in pages} == {5}


@one_database
@pytest.mark.parametrize(
    "query",
    [
        "page=0",
        "page=-1",
        "page=x",
        "page=",
        "page=9223372036854775808",
        "limit=0",
        "limit=101",
        "limit=1.0",
        "model_id=0",
        "model_id=x",
        "model_id=1_0",
        "model_id=9223372036854775808",
        "status=",
        "status=done",
        "status=Completed",
        "status=%00",
    ],
)
def test_it_rejects_a_bad_query(evaluations, query):
    answer = evaluations.get(f"{EVALUATIONS}?{query}")

    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == [query.partition("=")[0]]


def test_it_rejects_unknown_parameters_and_answers_head(evaluations):
    for query in ("x=%00", "limit=1&limit=2", "status=failed&status=failed"):
        assert evaluations.get(f"{EVALUATIONS}?{query}").status_code == 422
    assert evaluations.head(EVALUATIONS).status_code == 200
    assert evaluations.post(EVALUATIONS, json={}).headers["Allow"]
