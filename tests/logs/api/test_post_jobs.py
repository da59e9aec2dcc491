"""POST /api/v1/jobs"""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.support.databases import one_database


def test_it_works(logs):
    answer = logs.post("/api/v1/jobs", json={"dataset_id": 1, "configuration": {"epochs": 3, "a": {"b": [1.5]}}})

    assert answer.status_code == 201
    job = answer.json()
    assert answer.headers["Location"] == f"/api/v1/jobs/{job['ID']}"
    assert list(job) == [
        *("ID", "dataset_id", "status", "configuration", "created_at", "started_at", "completed_at"),
        *("name", "kernel", "last_seen_at", "heartbeat_s", "progress", "error", "log_expired_at"),
    ]
    assert (job["status"], job["started_at"], job["completed_at"]) == ("pending", None, None)
    assert job["configuration"] == {"epochs": 3, "a": {"b": [1.5]}}
    assert logs.get(answer.headers["Location"]).json() == job


def test_a_job_may_have_a_name_and_no_dataset(logs):
    for body in ({}, {"dataset_id": None}, {"name": "Llama on tickets"}):
        job = logs.post("/api/v1/jobs", json=body).json()
        assert (job["dataset_id"], job["name"], job["status"]) == (None, body.get("name"), "pending")
    assert logs.post("/api/v1/jobs", json={"name": "x" * 256}).status_code == 422


def test_a_key_creates_one_job(logs):
    key = {"Idempotency-Key": uuid.uuid4().hex}
    first, second = (logs.post("/api/v1/jobs", json={"dataset_id": 1}, headers=key) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.json() == first.json()
    assert second.headers["Location"] == first.headers["Location"]
    assert (first.headers.get("Idempotent-Replayed"), second.headers["Idempotent-Replayed"]) == (None, "true")
    other = logs.post("/api/v1/jobs", json={"dataset_id": 2}, headers=key)
    assert (other.status_code, list(other.json()["errors"])) == (422, ["Idempotency-Key"])
    assert logs.post("/api/v1/jobs", json={"dataset_id": 1}, headers={"Idempotency-Key": "a b"}).status_code == 422


def test_many_requests_with_one_key_create_one_job(logs):
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    with ThreadPoolExecutor(16) as pool:
        answers = list(
            pool.map(
                lambda _: requests.post(f"{logs.url}/api/v1/jobs", json={"dataset_id": 1}, headers=headers), range(32)
            )
        )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["ID"] for answer in answers}) == 1


def test_it_defaults_to_an_empty_configuration(logs):
    assert logs.post("/api/v1/jobs", json={"dataset_id": 1}).json()["configuration"] == {}


@one_database
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"dataset_id": 0}, "dataset_id"),
        ({"dataset_id": 2**63}, "dataset_id"),
        ({"dataset_id": 1.0}, "dataset_id"),
        ({"dataset_id": "1"}, "dataset_id"),
        ({"dataset_id": True}, "dataset_id"),
        ({"dataset_id": 1, "configuration": []}, "configuration"),
        ({"dataset_id": 1, "configuration": None}, "configuration"),
        ({"dataset_id": 1, "configuration": {"a": "\0"}}, "configuration.a"),
        ({"dataset_id": 1, "configuration": {"a": ["\ud800"]}}, "configuration.a.0"),
        ({"dataset_id": 1, "ID": 7}, "ID"),
        ([], "body"),
    ],
)
def test_it_rejects_a_bad_field(logs, body, field):
    answer = logs.post("/api/v1/jobs", json=body)

    assert answer.status_code == 422
    error = answer.json()
    assert error["code"] == 422
    assert error["status"] == "Unprocessable Entity"
    assert list(error["errors"]) == [field]
    assert field in error["message"]
    assert answer.headers["X-Request-ID"]


@one_database
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"dataset_id": NaN}', b'{"dataset_id": 1e999}', b"\xff", b"[" * 100_000, b'{"dataset_id": 1} 2'],
)
def test_it_rejects_what_is_no_json(logs, body):
    answer = logs.post("/api/v1/jobs", data=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == 400
    assert answer.json()["message"]


def test_it_rejects_another_media_type(logs):
    assert logs.post("/api/v1/jobs", data='{"dataset_id": 1}').status_code == 415


def test_it_rejects_a_body_above_1_mib(logs):
    fits = logs.post("/api/v1/jobs", json={"dataset_id": 1, "configuration": {"a": "x" * (2**20 - 50)}})
    answer = logs.post("/api/v1/jobs", json={"dataset_id": 1, "configuration": {"a": "x" * 2**20}})
    chunked = logs.post("/api/v1/jobs", data=iter([b" " * 2**20, b" "]), headers={"Content-Type": "application/json"})

    assert (fits.status_code, answer.status_code, chunked.status_code) == (201, 413, 413)


def test_it_rejects_other_methods(logs):
    answer = logs.request("PATCH", "/api/v1/jobs", json={})

    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) >= {"GET", "HEAD", "POST"}
    assert answer.json()["code"] == 405


def test_it_rejects_absurd_nesting_and_shows_what_it_takes(logs):
    def nested(levels):
        return json.loads('{"a":' * levels + "1" + "}" * levels)

    taken = logs.post("/api/v1/jobs", json={"dataset_id": 1, "configuration": nested(100)})
    refused = logs.post("/api/v1/jobs", json={"dataset_id": 1, "configuration": nested(101)})

    assert (taken.status_code, refused.status_code) == (201, 422)
    assert list(refused.json()["errors"]) == ["configuration"]
