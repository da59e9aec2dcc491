"""GET /api/v1/models"""

import uuid

import pytest

from tests.support.databases import one_database

MODELS = "/api/v1/models"


@pytest.fixture(scope="module")
def three(models):
    """Three models that share a base model of their own, the oldest first."""
    base = f"base-{uuid.uuid4().hex}"
    bodies = [
        {"name": "a", "base_model": base, "status": "ready", "job_id": 41, "type": "full"},
        {"name": "b", "base_model": base, "job_id": 42},
        {"name": "c", "base_model": base, "status": "error", "job_id": 42},
    ]
    return base, [models.post(MODELS, json=body).json() for body in bodies]


def names(models, base, **query):
    answer = models.get(MODELS, params={"base_model": base, **query})
    assert answer.status_code == 200, answer.text
    return [record["name"] for record in answer.json()["data"]]


def test_it_works(models, three):
    base, created = three
    answer = models.get(MODELS, params={"base_model": base}).json()
    assert {name: answer[name] for name in ("total", "page", "limit")} == {"total": 3, "page": 1, "limit": 10}
    assert [record["ID"] for record in answer["data"]] == [record["ID"] for record in reversed(created)]
    record = answer["data"][-1]
    assert set(record) == {
        *("ID", "name", "description", "base_model", "type", "job_id", "served_name", "storage_path"),
        *("lora_adapters_path", "gguf_path", "training_metrics", "status", "total_size", "repo_id"),
        *("created_at", "updated_at"),
    }


def test_it_filters(models, three):
    base, _ = three
    assert names(models, base, status="ready") == ["a"]
    assert names(models, base, job_id=42) == ["c", "b"]
    assert names(models, base, type="full") == ["a"]
    assert names(models, base, status="error", job_id=41) == []


def test_it_pages(models, three):
    base, _ = three
    assert names(models, base, page=2, limit=2) == ["a"]
    beyond = models.get(MODELS, params={"base_model": base, "page": 2**60}).json()
    assert (beyond["data"], beyond["total"]) == ([], 3)


def test_it_finds_a_part_of_the_name_in_any_case(models):
    base = uuid.uuid4().hex
    for name in ("Llama on reviews", "a llama", "100% of it", "snake_case"):
        models.post(MODELS, json={"name": name, "base_model": base})
    assert names(models, base, q="LLAMA") == ["a llama", "Llama on reviews"]
    assert names(models, base, q="llama", status="ready") == []
    assert names(models, base, q="%") == ["100% of it"]
    assert names(models, base, q="_") == ["snake_case"]


def test_it_sorts(models):
    base = uuid.uuid4().hex
    for name, size in (("b", 2), ("c", 9), ("a", 2)):
        model = models.post(MODELS, json={"name": name, "base_model": base}).json()
        assert models.put(f"{MODELS}/{model['ID']}/files/x.bin", data=b"x" * size).status_code == 200
        assert models.put(f"{MODELS}/{model['ID']}", json={"status": "ready"}).status_code == 200
    assert names(models, base) == names(models, base, sort="created_at", order="desc") == ["a", "c", "b"]
    assert names(models, base, order="asc") == ["b", "c", "a"]
    assert names(models, base, sort="name") == ["a", "b", "c"]
    assert names(models, base, sort="name", order="desc") == ["c", "b", "a"]
    assert names(models, base, sort="total_size") == ["c", "a", "b"]
    assert names(models, base, sort="total_size", order="asc", limit=2) == ["b", "a"]
    assert names(models, base, sort="total_size", order="asc", limit=2, page=2) == ["c"]


def test_it_filters_by_time(models, three):
    base, created = three
    first, last = created[0]["created_at"], created[-1]["created_at"]
    assert names(models, base, date_from=first, date_to=last) == ["c", "b", "a"]
    assert names(models, base, date_from=first[:10], date_to=last[:10]) == ["c", "b", "a"]
    assert names(models, base, date_to="2024-02-19") == []
    assert names(models, base, date_from="9999-12-31") == []
    assert names(models, base, date_from="9999-12-31", date_to="0001-01-01") == []


@one_database
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("page", "0"),
        ("limit", "101"),
        ("limit", "1_0"),
        ("status", "done"),
        ("job_id", "0"),
        ("job_id", "x"),
        ("date_from", "yesterday"),
        ("date_to", "2024-02-30"),
        ("date_to", "2024-02-19T10:00:00"),
        ("base_model", "\0"),
        ("q", "\0"),
        ("sort", "id"),
        ("order", "up"),
    ],
)
def test_it_rejects_a_bad_query(models, name, value):
    answer = models.get(MODELS, params={name: value})
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [name])


@one_database
@pytest.mark.parametrize(
    "query", ["orders=asc", "name=x", "statu=ready", "limit=1&limit=2", "status=ready&status=ready"]
)
def test_it_rejects_a_filter_that_would_not_be_applied(models, query):
    answer = models.get(f"/api/v1/models?{query}")
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [query.partition("=")[0]])


@one_database
def test_a_plus_that_the_url_lost_is_told(models):
    answer = models.get("/api/v1/models?date_from=2024-02-19T10:30:45+01:00")
    assert (answer.status_code, "%2B" in answer.json()["message"]) == (422, True)
    assert models.get("/api/v1/models?date_from=2024-02-19T10:30:45%2B01:00").status_code == 200


def test_it_shows_the_fields_that_are_asked_for(models, create):
    model = create()
    first = models.get("/api/v1/models?limit=1&fields=ID,status").json()["data"]
    assert first == [{"ID": model["ID"], "status": "uploading"}]
    answer = models.get("/api/v1/models?fields=ID,nam")
    assert (answer.status_code, "'nam'" in answer.json()["message"], "served_name" in answer.json()["message"]) == (
        422,
        True,
        True,
    )
