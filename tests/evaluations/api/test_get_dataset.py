"""GET /api/v1/datasets/:name, its rows and its download; DELETE"""

import json

import pytest

from tests.support.databases import one_database

DATASETS = "/api/v1/datasets"
TABLE = "question,answer\nWhat is it?,yes\nAnd this?,no\nAnd this?,yes\n"


@pytest.fixture
def table(evaluations, request):
    """Upload a table and return its name, which is the test's own."""
    name = f"{abs(hash(request.node.nodeid))}.csv"
    query = {"input": "question", "expected": "answer"}
    answer = evaluations.put(f"{DATASETS}/{name}", params=query, data=TABLE.encode("utf-16"))
    assert answer.status_code == 200, answer.text
    assert answer.json()["rows"] == 3
    return name


def test_it_works(evaluations, table):
    record = evaluations.get(f"{DATASETS}/{table}").json()

    assert (record["name"], record["path"], record["rows"]) == (table, f"datasets/{table}", 3)
    assert (record["labels"], record["classes"], record["duplicates"]) == (["no", "yes"], {"yes": 2, "no": 1}, 1)
    assert record["fields"] == ["question", "answer"]
    assert record["reading"] == {"format": "csv", "input": "question", "expected": "answer"}


def test_it_lists_rows(evaluations, table):
    answer = evaluations.get(f"{DATASETS}/{table}/rows", params={"limit": 2, "page": 2}).json()

    assert (answer["total"], answer["page"], answer["limit"]) == (3, 2, 2)
    fields = {"question": "And this?", "answer": "yes"}
    assert answer["data"] == [{"row": 2, "input": "And this?", "expected": "yes", "fields": fields}]
    beyond = evaluations.get(f"{DATASETS}/{table}/rows", params={"page": 2**62})
    assert (beyond.status_code, beyond.json()["data"]) == (200, [])


def test_it_gives_back_what_was_uploaded(evaluations, table):
    answer = evaluations.get(f"{DATASETS}/{table}/download")

    assert answer.content == TABLE.encode("utf-16")
    assert answer.headers["Content-Disposition"] == f"attachment; filename={table}"
    head = evaluations.head(f"{DATASETS}/{table}/download")
    assert (head.status_code, head.headers["Content-Length"]) == (200, str(len(answer.content)))


def test_it_deletes(evaluations, table):
    assert evaluations.delete(f"{DATASETS}/{table}").json() == {"message": "Test set deleted successfully"}
    for method, path in (("GET", ""), ("GET", "/rows"), ("GET", "/download"), ("DELETE", "")):
        assert evaluations.request(method, f"{DATASETS}/{table}{path}").status_code == 404


def test_it_deletes_no_set_that_is_in_use(evaluations, table, evaluate, put):
    evaluation = evaluate(f"datasets/{table}")
    answer = evaluations.delete(f"{DATASETS}/{table}")

    assert answer.status_code == 409
    assert f"Evaluation {evaluation} of the test set" in answer.json()["message"]
    put(evaluation, status="failed", error="over")
    assert evaluations.delete(f"{DATASETS}/{table}").status_code == 200


@one_database
@pytest.mark.parametrize("name", ["never", "a%00b", "..", "%ff"])
def test_it_rejects_an_unknown_name(evaluations, name):
    for method, path in (("GET", ""), ("GET", "/rows"), ("GET", "/download"), ("DELETE", "")):
        answer = evaluations.request(method, f"{DATASETS}/{name}{path}")
        assert answer.status_code in (404, 405), answer.text
        assert answer.json()["message"]


@one_database
@pytest.mark.parametrize("query", ["format=xml", "input=", "input=a&input=b", "expected=%00"])
def test_it_rejects_a_bad_way_of_reading(evaluations, query):
    answer = evaluations.put(f"{DATASETS}/read.json?{query}", data=b'{"input": "a", "expected": "b"}')

    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == [query.partition("=")[0]]


@one_database
def test_evaluations_are_found_by_their_set(evaluations, table, evaluate):
    evaluation = evaluate(f"datasets/{table}")
    found = evaluations.get("/api/v1/evaluations", params={"test_set_path": f"datasets/{table}"}).json()

    assert [each["ID"] for each in found["data"]] == [evaluation]
    assert json.dumps(found).count(table) == 1
