"""DELETE /api/v1/jobs/:id/logs"""

from functools import partial

import pytest

from tests.support.databases import run_sql

LOGS = "/api/v1/jobs/{}/logs"


def test_it_works(logs, job, push):
    for _ in range(3):
        push(job, *(f"secret {number}" for number in range(1_500)))

    answer = logs.delete(LOGS.format(job))

    assert (answer.status_code, answer.json()) == (200, {"message": "Log deleted successfully"})
    record = logs.get(f"/api/v1/jobs/{job}").json()
    assert (record["status"], record["log_expired_at"][-1]) == ("pending", "Z")
    for gone in (
        logs.get(LOGS.format(job), params={"limit": 1}),
        logs.get(LOGS.format(job), headers={"Accept": "text/event-stream"}),
        logs.post(LOGS.format(job), json={"message": "more"}),
        logs.delete(LOGS.format(job)),
    ):
        deleted_at = record["log_expired_at"]
        assert (gone.status_code, gone.json()["message"]) == (410, f"The log of job {job} was deleted at {deleted_at}.")


def test_the_jobs_life_goes_on_and_other_logs_stay(logs, new_job, push, put):
    deleted, other = new_job(), new_job()
    push(other, "stays")
    push(deleted, "goes")
    assert logs.delete(LOGS.format(deleted)).status_code == 200
    for status in ("running", "completed"):
        assert put(deleted, status=status).json()["status"] == status
    assert logs.get(LOGS.format(other), params={"limit": 1}).json()["count"] == 1


def test_streams_end_on_every_worker(logs, job, push, open_stream):
    push(job, "one")
    streams = [open_stream(job).iter_lines() for _ in range(8)]
    for stream in streams:
        assert b"id: 1" in stream  # which reads it so far
    assert logs.delete(LOGS.format(job)).status_code == 200
    for stream in streams:
        assert b"event: end" in stream


@pytest.fixture(name="run_sql")
def run_sql_fixture(logs):
    """Run a statement in the service's own database and return its first row."""
    return partial(run_sql, logs.running.part.environ["DATABASE_URL"])


def test_no_row_is_left(logs, job, push, run_sql):
    push(job, *["secret"] * 5_000)
    assert logs.delete(LOGS.format(job)).status_code == 200
    assert run_sql(f"SELECT COUNT(*) FROM line WHERE job_id = {job}") == (0,)


def test_one_that_was_cut_short_goes_on(logs, job, push, run_sql):
    """A kill between two slices leaves rows of a log that is closed: the same request deletes the rest."""
    push(job, *["secret"] * 10)
    run_sql(f"UPDATE job SET log_expired_at = 1 WHERE id = {job}")
    assert logs.delete(LOGS.format(job)).status_code == 200
    assert logs.delete(LOGS.format(job)).status_code == 410


def test_it_rejects_a_job_that_is_none(logs):
    assert logs.delete(LOGS.format(10**9)).status_code == 404
