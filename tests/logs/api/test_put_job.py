"""PUT /api/v1/jobs/:id"""

import threading

import pytest

from tests.support.databases import one_database


def test_it_works(logs, job, put):
    claimed = put(job, status="running", kernel="gpu-1")
    ended = put(job, status="completed", kernel="gpu-1")

    assert (claimed.status_code, ended.status_code) == (200, 200)
    assert claimed.json()["status"] == "running"
    assert claimed.json()["started_at"].endswith("Z")
    assert claimed.json()["completed_at"] is None
    assert ended.json()["status"] == "completed"
    assert ended.json()["started_at"] == claimed.json()["started_at"]
    assert ended.json()["completed_at"].endswith("Z")
    assert logs.get(f"/api/v1/jobs/{job}").json() == ended.json()


def test_a_claim_holds_against_all_others(job, put):
    first = put(job, status="running", kernel="gpu-1")

    again = put(job, status="running", kernel="gpu-1").json()
    assert again == first.json() | {"last_seen_at": again["last_seen_at"]}
    assert put(job, status="running", kernel="gpu-2").status_code == 409
    assert put(job, status="running").status_code == 409
    assert put(job, status="completed", kernel="gpu-2").status_code == 409


def test_a_job_that_runs_for_nobody_is_not_claimed(job, put):
    assert put(job, status="running").status_code == 200
    assert put(job, status="running").status_code == 409
    assert put(job, status="running", kernel="gpu-1").status_code == 409


def test_one_of_many_claims_wins(logs, job):
    statuses = []

    def claim(kernel):
        answer = logs.put(f"/api/v1/jobs/{job}", json={"status": "running", "kernel": kernel})
        statuses.append(answer.status_code)

    kernels = [threading.Thread(target=claim, args=(f"gpu-{number}",)) for number in range(12)]
    for kernel in kernels:
        kernel.start()
    for kernel in kernels:
        kernel.join()

    assert sorted(statuses) == [200] + [409] * 11


PATHS = [
    (["running"], 200),
    (["failed"], 200),
    (["cancelled"], 200),
    (["completed"], 409),
    (["pending"], 200),
    (["running", "completed"], 200),
    (["running", "failed"], 200),
    (["running", "cancelled"], 200),
    (["running", "pending"], 409),
    (["failed", "running"], 409),
    (["failed", "failed"], 200),
    (["failed", "cancelled"], 409),
    (["cancelled", "completed"], 409),
    (["running", "completed", "completed"], 200),
    (["running", "completed", "failed"], 409),
    (["running", "completed", "running"], 409),
    (["running", "completed", "pending"], 409),
]


@pytest.mark.parametrize(("path", "status"), PATHS, ids=lambda value: "-".join(value) if type(value) is list else value)
def test_it_keeps_to_the_life_of_a_job(job, put, path, status):
    *before, last = path
    for step in before:
        assert put(job, status=step, kernel="k").status_code == 200

    assert put(job, status=last, kernel="k").status_code == status


def test_a_repeated_end_changes_nothing(job, put):
    first = put(job, status="failed").json()

    assert put(job, status="failed").json() == first


def test_it_takes_the_record_back(logs, job):
    record = logs.get(f"/api/v1/jobs/{job}").json() | {"status": "running", "kernel": "k"}

    answer = logs.put(f"/api/v1/jobs/{job}", json=record)

    assert answer.status_code == 200
    assert answer.json()["status"] == "running"


@one_database
@pytest.mark.parametrize(
    "fields",
    [
        {"ID": 99},
        {"dataset_id": 2},
        {"configuration": {"a": 1}},
        {"created_at": "2024-02-19T10:30:45Z"},
        {"started_at": "2024-02-19T10:30:45Z"},
        {"completed_at": 0},
        {"last_line": 5},
        {"id": 1},
        {"": 1},
        {"status": "done"},
        {"status": 1},
        {"status": None},
        {"kernel": ""},
        {"kernel": "x" * 256},
        {"kernel": 1},
        {"kernel": "a\0b"},
        {"kernel": "\ud800"},
    ],
)
def test_it_rejects_a_bad_field(logs, job, put, fields):
    answer = put(job, **({"status": "running"} | fields))

    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == list(fields)
    assert logs.get(f"/api/v1/jobs/{job}").json()["status"] == "pending"


@pytest.mark.parametrize("body", [{}, {"kernel": "k"}])
def test_it_rejects_a_body_without_a_status(put, job, body):
    answer = put(job, **body)

    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == ["status"]


@one_database
@pytest.mark.parametrize(("body", "status"), [(b"", 400), (b"[]", 422), (b"null", 422), (b"{", 400), (b'"x"', 422)])
def test_it_rejects_what_is_no_object(logs, job, body, status):
    answer = logs.put(f"/api/v1/jobs/{job}", data=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == status


def test_it_rejects_another_media_type(logs, job):
    assert logs.put(f"/api/v1/jobs/{job}", data='{"status": "running"}').status_code == 415


def test_it_rejects_an_unknown_job(put):
    assert put(2**62, status="running").status_code == 404


def test_what_a_kernel_says_of_itself_is_shown(logs, job, put, push):
    claim = {"status": "running", "kernel": "gpu-1"}
    claimed = put(job, **claim, heartbeat_s=30).json()
    assert (claimed["kernel"], claimed["heartbeat_s"], claimed["progress"]) == ("gpu-1", 30, None)
    heard = put(job, **claim, progress=0.5).json()
    assert (heard["heartbeat_s"], heard["progress"]) == (30, 0.5)
    assert heard["last_seen_at"] >= claimed["last_seen_at"]
    ended = put(job, status="failed", kernel="gpu-1", error="Out of memory").json()
    assert (ended["status"], ended["error"], ended["progress"]) == ("failed", "Out of memory", 0.5)
    push(job, "last words")
    assert logs.get(f"/api/v1/jobs/{job}").json() == ended, "a job that has ended never changes again"
    assert put(job, status="failed", kernel="gpu-1", error="Another reason").json()["error"] == "Out of memory"


@one_database
@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("heartbeat_s", value) for value in (9, 3601, 10.5, "30")),
        *(("progress", value) for value in (-0.1, 1.1, "0.5", True)),
        *(("error", value) for value in ("", 1, "x" * 1001, "goes with failed only")),
    ],
)
def test_it_rejects_what_no_kernel_says(job, put, field, value):
    answer = put(job, status="running", kernel="gpu-1", **{field: value})
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])
