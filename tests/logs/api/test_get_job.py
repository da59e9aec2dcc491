"""GET /api/v1/jobs/:id"""

import pytest

from tests.support.databases import one_database


def test_it_works(logs, job):
    answer = logs.get(f"/api/v1/jobs/{job}")

    assert answer.status_code == 200
    record = answer.json()
    assert list(record) == [
        *("ID", "dataset_id", "status", "configuration", "created_at", "started_at", "completed_at"),
        *("name", "kernel", "last_seen_at", "heartbeat_s", "progress", "error", "log_expired_at"),
    ]
    assert (record["ID"], record["dataset_id"], record["status"]) == (job, 1, "pending")
    assert len(record["created_at"]) == len("2024-02-19T10:30:45Z")
    assert record["created_at"].endswith("Z")


def test_it_keeps_the_configuration_as_it_came(logs, new_job):
    configuration = {"z": 1, "a": {"ü": [1.5, None, True, "\u2028"]}, "1": 2**60, "": -0.0}
    job = new_job(configuration=configuration)

    shown = logs.get(f"/api/v1/jobs/{job}").json()["configuration"]

    assert shown == configuration
    assert list(shown) == list(configuration)


def test_it_answers_head(logs, job):
    got, head = logs.get(f"/api/v1/jobs/{job}"), logs.head(f"/api/v1/jobs/{job}")

    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["Content-Length"] == got.headers["Content-Length"]


def test_it_echoes_a_sound_request_id_only(logs, job):
    kept = logs.get(f"/api/v1/jobs/{job}", headers={"X-Request-ID": "abc.1_2-3"})
    replaced = logs.get(f"/api/v1/jobs/{job}", headers={"X-Request-ID": "a b"})

    assert kept.headers["X-Request-ID"] == "abc.1_2-3"
    assert len(replaced.headers["X-Request-ID"]) == 32


@one_database
@pytest.mark.parametrize(
    "name", ["0", "-1", "1.0", "1e3", "x", "٣", "9223372036854775808", "9" * 40, "1%00", "%2e%2e", "", "2%2f3", "+1"]
)
def test_it_rejects_what_is_no_id(logs, name):
    answer = logs.get(f"/api/v1/jobs/{name}")

    assert answer.status_code == 404
    assert answer.json()["code"] == 404
    assert answer.json()["message"].startswith("There is nothing at /api/v1/jobs")
    assert answer.headers["X-Request-ID"]


def test_it_rejects_an_unknown_job(logs):
    answer = logs.get("/api/v1/jobs/9223372036854775807")

    assert answer.status_code == 404
    assert answer.json()["message"] == "There is no job 9223372036854775807."


def test_it_rejects_other_methods(logs, job):
    answer = logs.delete(f"/api/v1/jobs/{job}")

    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) >= {"GET", "HEAD", "PUT"}
