"""GET /api/v1/jobs"""

import itertools
import uuid

import pytest

from tests.support.databases import one_database

_datasets = itertools.count(1_000)


@pytest.fixture
def dataset():
    """A dataset that no other test's jobs are of."""
    return next(_datasets)


def test_it_works(logs, new_job, dataset):
    jobs = [new_job(dataset_id=dataset) for _ in range(3)]

    answer = logs.get("/api/v1/jobs", params={"dataset_id": dataset})

    assert answer.status_code == 200
    page = answer.json()
    assert list(page) == ["data", "total", "page", "limit"]
    assert (page["total"], page["page"], page["limit"]) == (3, 1, 10)
    assert [record["ID"] for record in page["data"]] == jobs[::-1]
    assert page["data"][0] == logs.get(f"/api/v1/jobs/{jobs[-1]}").json()


def test_it_pages(logs, new_job, dataset):
    jobs = [new_job(dataset_id=dataset) for _ in range(5)]

    def page(number, order):
        answer = logs.get(
            "/api/v1/jobs", params={"dataset_id": dataset, "limit": 2, "page": number, "order": order}
        ).json()
        assert (answer["total"], answer["page"], answer["limit"]) == (5, number, 2)
        return [record["ID"] for record in answer["data"]]

    assert [page(1, "asc"), page(2, "asc"), page(3, "asc")] == [jobs[:2], jobs[2:4], jobs[4:]]
    assert page(3, "desc") == jobs[:1]
    assert page(4, "desc") == page(2**63 - 1, "asc") == []


def test_it_filters_by_status(logs, new_job, put, dataset):
    pending, running, failed = (new_job(dataset_id=dataset) for _ in range(3))
    put(running, status="running", kernel="k")
    put(failed, status="failed")

    def found(status):
        answer = logs.get("/api/v1/jobs", params={"dataset_id": dataset, "status": status}).json()
        return [record["ID"] for record in answer["data"]], answer["total"]

    assert found("pending") == ([pending], 1)
    assert found("running") == ([running], 1)
    assert found("failed") == ([failed], 1)
    assert found("completed") == ([], 0)


@one_database
@pytest.mark.parametrize("query", ["kernel=k", "x=%00", "status=pending&status=running"])
def test_it_rejects_a_filter_that_would_not_be_applied(logs, query):
    answer = logs.get(f"/api/v1/jobs?{query}")
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [query.partition("=")[0]])


def test_it_answers_head(logs):
    answer = logs.head("/api/v1/jobs")

    assert (answer.status_code, answer.content) == (200, b"")


@one_database
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("page", "0"),
        ("page", "-1"),
        ("page", "1.0"),
        ("page", "9223372036854775808"),
        ("page", "٣"),
        ("page", "1_0"),
        ("page", ""),
        ("limit", "0"),
        ("limit", "101"),
        ("limit", "9" * 40),
        ("dataset_id", "0"),
        ("dataset_id", "x"),
        ("status", "done"),
        ("status", "pending\0"),
        ("order", "up"),
        ("order", ""),
    ],
)
def test_it_rejects_a_bad_parameter(logs, name, value):
    answer = logs.get("/api/v1/jobs", params={name: value})

    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == [name]


def test_q_finds_in_names(logs, new_job):
    own = f"Tickets {uuid.uuid4().hex}"
    job = new_job(name=own)
    for part in (own, own[3:20].lower(), own.upper()):
        assert [found["ID"] for found in logs.get("/api/v1/jobs", params={"q": part}).json()["data"]] == [job]
    assert logs.get("/api/v1/jobs", params={"q": own.replace(" ", "%")}).json()["total"] == 0


def test_metrics_are_beside_each_job_if_asked_for(logs, new_job, push):
    reported, logged, none = new_job(), new_job(), new_job()
    body = {"metrics": [{"step": step, "values": {"loss": 1 / (step + 1)}} for step in range(200)]}
    assert logs.post(f"/api/v1/jobs/{reported}/metrics", json=body).status_code == 201
    push(logged, "step 1: loss 0.5")
    listed = {job["ID"]: job for job in logs.get("/api/v1/jobs?limit=3&metrics=loss&metrics=acc").json()["data"]}
    assert (listed[none]["metrics"], listed[logged]["metrics"]["loss"]["last"]) == ({}, 0.5)
    loss = listed[reported]["metrics"]["loss"]
    assert (loss["last"], len(loss["points"]) <= 50) == (1 / 200, True)
    assert "metrics" not in logs.get("/api/v1/jobs?limit=1").json()["data"][0]


def test_it_shows_the_fields_that_are_asked_for(logs, job):
    assert logs.get("/api/v1/jobs?limit=1&fields=ID,status").json()["data"] == [{"ID": job, "status": "pending"}]
    refused = logs.get("/api/v1/jobs?fields=ID,nam")
    assert (refused.status_code, list(refused.json()["errors"])) == (422, ["fields"])
