"""Idempotency keys and the end of their time."""

from datetime import UTC, datetime, timedelta

import pytest

from services.logs.lines import idempotency_keys, ingest, parse
from services.logs.lines.idempotency_keys import KEPT, forget_expired, forget_some
from services.logs.tables import MIGRATIONS, IdempotencyKey, Job, database
from shared.database.connect import connection, open_database
from shared.database.migrations import migrate

NOW = datetime(2024, 2, 19, tzinfo=UTC)
LONG_AGO = NOW - KEPT - timedelta(seconds=1)


@pytest.fixture(autouse=True)
def tables(new_database, database_kind):
    opened = open_database(new_database(database_kind))
    migrate(opened, MIGRATIONS)
    database.initialize(opened)
    with connection(database):
        yield
    opened.close_all()


def add_job(completed_at, idempotency_keys=1):
    job = Job.create(dataset_id=1, status="completed", configuration={}, created_at=NOW, completed_at=completed_at)
    digest = {"digest": "", "single": False, "first_id": 1, "count": 1, "created_at": NOW}
    rows = [{"job_id": job.id, "key": f"key {number}"} | digest for number in range(idempotency_keys)]
    for first in range(0, idempotency_keys, 500):
        IdempotencyKey.insert_many(rows[first : first + 500]).execute()
    return job.id


def left():
    return {job_id for (job_id,) in IdempotencyKey.select(IdempotencyKey.job_id).distinct().tuples()}


def test_it_forgets_what_ended_seven_days_ago():
    expired = add_job(LONG_AGO)
    kept = {add_job(NOW - KEPT + timedelta(seconds=1)), add_job(NOW), add_job(None)}

    while forget_some(NOW):
        pass

    assert left() == kept
    assert not Job.get_by_id(expired).has_keys


def test_it_forgets_many_keys_a_few_at_a_time():
    expired = add_job(LONG_AGO, idempotency_keys=1_001)

    assert forget_some(NOW)
    assert IdempotencyKey.select().count() == 1
    assert forget_some(NOW)
    assert Job.get_by_id(expired).has_keys
    assert forget_some(NOW)
    assert not forget_some(NOW)


def test_a_sweep_forgets_all(monkeypatch):
    monkeypatch.setattr(idempotency_keys, "_REST_S", 0)
    for _ in range(3):
        add_job(datetime.now(UTC) - KEPT)
    kept = add_job(datetime.now(UTC))

    forget_expired()

    assert left() == {kept}


def test_a_forgotten_key_is_a_new_one():
    job = add_job(LONG_AGO)
    batch = parse.read_batch(b'{"message": "x"}', "application/json", "")
    pending = ingest._Pending(batch, "key 0")
    *_, (answer,) = ingest._commit(job, [pending])
    assert answer.status == 422, "another body had the key"

    while forget_some(NOW):
        pass

    *_, (answer,) = ingest._commit(job, [pending])
    assert (answer.first_id, answer.replayed) == (1, False)


def test_what_has_expired_is_found_by_the_index(database_kind):
    for _ in range(2_000):
        Job.create(dataset_id=1, status="pending", configuration={}, created_at=NOW)
    query = Job.select(Job.id).where(Job.has_keys, Job.completed_at < NOW).order_by(Job.completed_at).limit(1)
    explain = "EXPLAIN QUERY PLAN " if database_kind == "sqlite" else "EXPLAIN "
    if database_kind == "postgresql":
        database.execute_sql("ANALYZE job")
    sql, values = query.sql()

    plan = str(database.execute_sql(explain + sql, values).fetchall())

    assert "job_has_keys" in plan
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan
