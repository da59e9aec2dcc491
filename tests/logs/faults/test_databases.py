"""PostgreSQL restarts or drops its connections, SQLite is locked, tables are restored. Scenarios 8, 9, 25, 26."""

import contextlib
import os
import signal
import sqlite3
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil
import psycopg
import pytest
import requests

from tests.logs.faults.conftest import Service, Settings
from tests.logs.faults.load import Load, Reader, create_job, open_raw, read_rows, read_until
from tests.support.databases import on, only_on
from tests.support.processes import descendants
from tests.support.waiting import wait_until


@pytest.fixture
def on_own_postgres(start, own_postgres, settings):
    if not settings.redis.is_alive():
        settings.redis.start()
    service = Service(start, Settings("postgresql", str(own_postgres.get_uri()), settings.redis))
    yield service
    service.kill()


@only_on("postgresql")
def test_postgresql_restarts(on_own_postgres, own_postgres, seed):
    run = Load(on_own_postgres.url, seed, writers=6, readers=10)
    run.wait_for(100)
    for _ in range(2):
        own_postgres.stop()
        time.sleep(0.5)  # without it
        own_postgres.start()
        run.wait_for(200)

    run.finish()
    assert all(set(reader.statuses) <= {200, 204} for reader in run.readers)
    assert "Traceback" not in on_own_postgres.log


@only_on("postgresql")
def test_postgresql_hangs(on_own_postgres, own_postgres):
    """Its processes are stopped: the kernel goes on accepting connections, and nobody answers."""
    service = on_own_postgres
    job = create_job(service.url)
    lines = f"{service.url}/api/v1/jobs/{job}/logs"
    assert requests.post(lines, json={"message": "before"}, timeout=30).status_code == 201
    first = int((Path(own_postgres.pgdata) / "postmaster.pid").read_text().split()[0])
    stopped = [first, *descendants(first)]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        for method, url in (("POST", lines), ("GET", f"{lines}?limit=1"), ("GET", f"{service.url}/api/v1/jobs")):
            begin = time.monotonic()
            answer = requests.request(method, url, json={"message": "lost"} if method == "POST" else None, timeout=60)
            assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
            assert time.monotonic() - begin < 15
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    wait_until(lambda: requests.post(lines, json={"message": "after"}, timeout=30).status_code == 201)
    messages = [line["message"] for line in requests.get(f"{lines}?limit=9", timeout=30).json()["logs"]]
    # What was answered 503 may have been stored: the server had it, and went on.
    assert [message for message in messages if message != "lost"] == ["before", "after"]


@only_on("postgresql")
def test_postgresql_drops_every_connection(on_own_postgres, own_postgres, seed):
    run = Load(on_own_postgres.url, seed, writers=6, readers=10)
    with psycopg.connect(own_postgres.get_uri(), autocommit=True) as connection:
        for _ in range(6):
            run.wait_for(50)
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
            time.sleep(0.2)
        run.wait_for(50)
        run.finish()
        in_transaction = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"
        assert connection.execute(in_transaction).fetchone() == (0,)
    assert "Traceback" not in on_own_postgres.log


def sqlite_path(service):
    return service.settings.database_url.removeprefix("sqlite:///")


@only_on("sqlite")
def test_sqlite_is_locked_by_another_process(service, load):
    """Three seconds of somebody else's transaction: all reads are answered in it, and the POSTs wait or are told to."""
    run = load(writers=2, readers=4)
    run.wait_for(20)
    with contextlib.closing(sqlite3.connect(sqlite_path(service), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        released, rounds = time.monotonic() + 3, 0
        while time.monotonic() < released or rounds < 20:
            for path in ("/healthz", f"/api/v1/jobs/{run.job}/logs?limit=5"):
                assert requests.get(service.url + path, timeout=10).status_code == 200
            rounds += 1
            time.sleep(0.02)
        other.execute("ROLLBACK")
    run.wait_for(50)

    run.finish()
    assert "Traceback" not in service.log


@only_on("sqlite")
@pytest.mark.soak
def test_sqlite_is_locked_for_longer_than_a_post_waits(service):
    job = create_job(service.url)
    with contextlib.closing(sqlite3.connect(sqlite_path(service), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = requests.post(f"{service.url}/api/v1/jobs/{job}/logs", json={"message": "x"}, timeout=20)
        other.execute("ROLLBACK")

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert answer.elapsed.total_seconds() > 4.5
    assert read_rows(service.url, job) == []


@only_on("sqlite")
def test_the_disk_is_full(hasty):
    """A POST that finds no room is told to come again, and nothing of it stays; reading goes on."""
    job = create_job(hasty.url)
    url = f"{hasty.url}/api/v1/jobs/{job}/logs"
    worker = hasty.workers[0]
    worker.rlimit(psutil.RLIMIT_FSIZE, (2**20, psutil.RLIM_INFINITY))  # of each file that it writes to
    batch = {"logs": [{"message": "x" * 1000}] * 500}
    statuses = [requests.post(url, json=batch, timeout=10).status_code for _ in range(4)]
    stored = read_rows(hasty.url, job)
    worker.rlimit(psutil.RLIMIT_FSIZE, (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY))
    push(hasty, job, "after")

    assert set(statuses) <= {201, 503}
    assert 503 in statuses
    assert len(stored) == 500 * statuses.count(201)
    assert read_rows(hasty.url, job) == [*stored, (len(stored) + 1, "after")]


@contextlib.contextmanager
def tables(service):
    """Give SQL on the service's tables, past the service."""
    if service.settings.kind == "sqlite":
        with contextlib.closing(sqlite3.connect(sqlite_path(service), timeout=10)) as connection:
            yield lambda sql, *values: connection.execute(sql.replace("%s", "?"), values)
            connection.commit()
    else:
        with psycopg.connect(service.settings.database_url) as connection:
            yield lambda sql, *values: connection.execute(sql, values)


def push(service, job, *messages):
    body = {"logs": [{"message": message} for message in messages]}
    assert requests.post(f"{service.url}/api/v1/jobs/{job}/logs", json=body, timeout=10).status_code == 201


def follow(service, job, *lines):
    readers = [Reader(service.url, job) for _ in range(6)]
    for reader in readers:
        reader.start()
    wait_until(lambda: all(reader.lines == list(lines) for reader in readers))
    return readers


def end_readers(readers, service, job, *lines):
    wait_until(lambda: all(reader.lines == list(lines) for reader in readers))
    for reader in readers:
        reader.stopping.set()
    push(service, job, "goodbye")
    for reader in readers:
        reader.join(30)
        assert not reader.is_alive()


def test_a_log_is_restored_to_what_it_was(service):
    """A backup has fewer lines than the clients have seen: they begin again, and nothing stale is served."""
    job = create_job(service.url)
    push(service, job, "1", "2")
    readers = follow(service, job, (1, "1"), (2, "2"))
    push(service, job, "3", "4")
    wait_until(lambda: all(len(reader.lines) == 4 for reader in readers))

    with tables(service) as execute:
        execute("DELETE FROM line WHERE job_id = %s AND id > 2", job)
        execute("UPDATE job SET last_line = 2 WHERE id = %s", job)
    wait_until(lambda: all("reset" in reader.events.controls for reader in readers))
    push(service, job, "new 3")

    end_readers(readers, service, job, (1, "1"), (2, "2"), (3, "new 3"))


def test_a_job_is_made_anew(service):
    """The same number, another job: its time of creation tells, even where it has more lines than the first one."""
    job = create_job(service.url)
    push(service, job, "old 1", "old 2")
    readers = follow(service, job, (1, "old 1"), (2, "old 2"))
    created = int(datetime(2020, 1, 1, tzinfo=UTC).timestamp() * 1_000_000)

    with tables(service) as execute:
        execute("DELETE FROM line WHERE job_id = %s", job)
        for number in (1, 2, 3):
            message = f"new {number}"
            execute("INSERT INTO line VALUES (%s, %s, 1, 'kernel', %s, 0)", job, number, message)
        execute("UPDATE job SET last_line = 3 WHERE id = %s", job)
        execute("UPDATE job SET created_at = %s WHERE id = %s", created, job)

    wait_until(lambda: all("reset" in reader.events.controls for reader in readers))
    assert requests.get(f"{service.url}/api/v1/jobs/{job}", timeout=30).json()["created_at"] == "2020-01-01T00:00:00Z"
    end_readers(readers, service, job, (1, "new 1"), (2, "new 2"), (3, "new 3"))


@on("postgresql")
def test_the_tables_are_gone_for_a_while(service):
    """A restore drops and makes the tables anew: whatever fails meanwhile, the streams live on."""
    job = create_job(service.url)
    push(service, job, "1")
    readers = follow(service, job, (1, "1"))

    with tables(service) as execute:
        execute("ALTER TABLE job RENAME TO away")
    time.sleep(2.6)  # a tick, which looks every two seconds, finds no table
    with tables(service) as execute:
        execute("ALTER TABLE away RENAME TO job")
    push(service, job, "2")

    end_readers(readers, service, job, (1, "1"), (2, "2"))


@only_on("sqlite")
def test_a_sqlite_backup_is_restored_under_the_service(service, tmp_path):
    job = create_job(service.url)
    push(service, job, "1")
    with (
        contextlib.closing(sqlite3.connect(sqlite_path(service))) as live,
        contextlib.closing(sqlite3.connect(tmp_path / "backup.db")) as backup,
    ):
        live.backup(backup)
        push(service, job, "2", "3")
        readers = follow(service, job, (1, "1"), (2, "2"), (3, "3"))
        backup.backup(live)

    wait_until(lambda: all("reset" in reader.events.controls for reader in readers))
    assert requests.get(f"{service.url}/api/v1/jobs/{job}", timeout=30).status_code == 200
    end_readers(readers, service, job, (1, "1"))


@on("postgresql")
def test_a_pool_of_five_serves_two_hundred_streams(hasty, seed):
    """No stream holds a connection between its reads, so five are enough for all."""
    run = Load(hasty.url, seed, writers=3, readers=4, pause_s=0.02)
    push(hasty, run.job, *map(str, range(2_000)))
    streams = [open_raw(hasty.url, f"/api/v1/jobs/{run.job}/logs") for _ in range(200)]
    ends = []

    def read(raw):
        ends.append(b"event: end" in read_until(raw, b"event: end"))
        raw.close()

    threads = [threading.Thread(target=read, args=(raw,)) for raw in streams]
    for thread in threads:
        thread.start()
    run.wait_for(100)
    run.finish(end=True)
    for thread in threads:
        thread.join(30)

    assert ends == [True] * 200
    assert sum(writer.retries for writer in run.writers) == 0
    assert "connection is in use" not in hasty.log
