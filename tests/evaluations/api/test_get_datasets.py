"""GET /api/v1/datasets"""

import uuid

import pytest

from tests.support.databases import one_database

DATASETS = "/api/v1/datasets"


def test_it_works(evaluations, put_set):
    name = uuid.uuid4().hex
    stored = put_set(b'{"input": "a", "expected": "b"}', name).json()
    answer = evaluations.get(DATASETS, params={"limit": 100})

    assert answer.status_code == 200
    body = answer.json()
    assert list(body) == ["data", "total", "page", "limit"]
    assert (body["page"], body["limit"]) == (1, 100)
    assert body["data"] == sorted(body["data"], key=lambda entry: entry["created_at"], reverse=True)
    found = next(entry for entry in body["data"] if entry["name"] == name)
    assert found.pop("created_at").endswith("Z")
    assert found.pop("label_count") == 1
    assert found == stored


def test_it_pages(evaluations, put_set):
    for _ in range(3):
        put_set(b'{"input": "a", "expected": "b"}')
    total = evaluations.get(DATASETS).json()["total"]
    pages = [evaluations.get(DATASETS, params={"limit": 2, "page": page}).json() for page in (1, 2)]
    beyond = evaluations.get(DATASETS, params={"limit": 2, "page": 2**62}).json()

    assert len({entry["name"] for page in pages for entry in page["data"]}) == 4 or total == 3
    assert (beyond["data"], beyond["total"]) == ([], total)


@one_database
@pytest.mark.parametrize("query", ["page=0", "page=x", "page=1.0", "limit=0", "limit=101", "page=%D9%A3"])
def test_it_rejects_a_bad_query(evaluations, query):
    answer = evaluations.get(f"{DATASETS}?{query}")

    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == [query.partition("=")[0]]


def test_it_rejects_unknown_parameters_and_answers_head(evaluations):
    for query in ("x=1", "limit=1&limit=2"):
        assert evaluations.get(f"{DATASETS}?{query}").status_code == 422
    assert evaluations.head(DATASETS).status_code == 200


def test_it_shows_the_fields_that_are_asked_for(evaluations, put_set):
    name = put_set(b'{"input": "a", "expected": "b"}').json()["name"]
    assert {"name": name, "rows": 1} in evaluations.get(f"{DATASETS}?limit=100&fields=name,rows").json()["data"]
    refused = evaluations.get(f"{DATASETS}?fields=nam")
    assert (refused.status_code, list(refused.json()["errors"])) == (422, ["fields"])
