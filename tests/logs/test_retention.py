"""LOG_RETENTION_DAYS: logs and metrics of jobs that ended long ago go, their records stay, and nobody else notices."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from services.logs.settings import Settings
from shared.settings import SettingsError, load
from tests.support.databases import run_sql
from tests.support.services import start_service
from tests.support.waiting import wait_until

JOBS = "/api/v1/jobs"
LONG_AGO = 1_500_000_000_000_000
TABLES = ("line", "metric", "idempotency_key", "parameter", "tag")


@pytest.fixture(scope="module")
def retention(start, new_database, database_kind, redis_url, logs):
    """The service with a retention of 30 days, two workers, and a sweep each moment."""
    environ = {"DATABASE_URL": new_database(database_kind), "REDIS_URL": redis_url, "LOG_RETENTION_DAYS": "30"}
    url, running = start_service(start, "logs", environ, "tests.logs.hasty_retention")
    client = type(logs)(url)
    client.running = running
    yield client
    running.kill()


@pytest.fixture(name="run_sql", scope="module")
def run_sql_fixture(retention):
    """Run a statement in the service's own database and return its first row."""
    return partial(run_sql, retention.running.part.environ["DATABASE_URL"])


@pytest.fixture
def ended(retention, run_sql):
    """Create a job with lines, metrics and a key, which ended now or long ago."""

    def ended(lines=10, completed_at=None):
        job = retention.post(JOBS, json={"dataset_id": 1}).json()["ID"]
        for first in range(0, lines, 5_000):
            batch = {"logs": [{"message": f"line {number}"} for number in range(first, min(lines, first + 5_000))]}
            sent = retention.post(f"{JOBS}/{job}/logs", json=batch, headers={"Idempotency-Key": f"{first}"})
            assert sent.status_code == 201
        points = [{"step": step, "values": {"loss": 0.5, "lr": 0.1}} for step in range(lines // 4)]
        assert retention.post(f"{JOBS}/{job}/metrics", json={"metrics": points}).status_code == 201
        for status in ("running", "completed"):
            retention.put(f"{JOBS}/{job}", json={"status": status})
        if completed_at is not None:
            run_sql(f"UPDATE job SET completed_at = {completed_at} WHERE id = {job}")
        return job

    return ended


@pytest.fixture
def rows(run_sql):
    return lambda job: sum(run_sql(f"SELECT COUNT(*) FROM {table} WHERE job_id = {job}")[0] for table in TABLES)


def test_it_works(retention, ended, rows, run_sql):
    young, old = ended(), ended(5_000)
    before = retention.get(f"{JOBS}/{old}").json()
    run_sql(f"UPDATE job SET completed_at = {LONG_AGO} WHERE id = {old}")

    wait_until(lambda: rows(old) == 0)

    after = retention.get(f"{JOBS}/{old}").json()
    expired_at = after.pop("log_expired_at")
    assert {**after, "log_expired_at": None, "completed_at": before["completed_at"]} == before
    for path in ("logs?limit=1", "logs/download", "metrics", "logs"):
        gone = retention.get(f"{JOBS}/{old}/{path}")
        assert (gone.status_code, gone.json()["message"]) == (410, f"The log of job {old} was deleted at {expired_at}.")
    assert retention.post(f"{JOBS}/{old}/logs", json={"message": "late"}).status_code == 410
    assert retention.get(f"{JOBS}/{young}/logs?limit=1000").json()["count"] == 10
    assert retention.get(f"{JOBS}/{young}/metrics").json()["series"][0]["count"] == 2


def test_a_job_that_never_ended_keeps_its_log(retention, ended, rows, run_sql):
    job = retention.post(JOBS, json={"dataset_id": 1}).json()["ID"]
    retention.post(f"{JOBS}/{job}/logs", json={"message": "kept"})
    run_sql(f"UPDATE job SET created_at = {LONG_AGO}, last_seen_at = {LONG_AGO} WHERE id = {job}")
    gone = ended(10, LONG_AGO)

    wait_until(lambda: rows(gone) == 0)

    assert rows(job) == 1


def test_what_a_killed_sweep_left_is_deleted(retention, ended, rows, run_sql):
    job = ended(3_000)
    run_sql(f"UPDATE job SET log_expired_at = {LONG_AGO} WHERE id = {job}")

    wait_until(lambda: rows(job) == 0)


def test_pushes_go_on_meanwhile_and_streams_end(retention, ended, rows):
    pushed = retention.post(JOBS, json={"dataset_id": 1}).json()["ID"]
    old = ended(20_000)
    stream = retention.get(f"{JOBS}/{old}/logs", stream=True).iter_content(None)
    next(stream)
    ended(20_000, LONG_AGO)

    def push(number):
        return retention.post(f"{JOBS}/{pushed}/logs", json={"message": str(number)}).status_code

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(push, range(300))) == {201}
    assert retention.get(f"{JOBS}/{pushed}/logs?limit=1000").json()["count"] == 300
    assert b"event: end" in b"".join(stream)


def test_it_rejects_no_days_at_all():
    with pytest.raises(SettingsError, match="LOG_RETENTION_DAYS='0': must be at least 1"):
        load(Settings, {"DATABASE_URL": "sqlite:///x", "REDIS_URL": "redis://x", "LOG_RETENTION_DAYS": "0"})
