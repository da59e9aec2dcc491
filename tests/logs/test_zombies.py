"""Jobs whose kernels fell silent, ended once by whichever process looks."""

from datetime import UTC, datetime, timedelta

import gevent
import pytest

from services.logs import jobs
from services.logs.lines.ingest import Ingest
from services.logs.lines.queries import read_lines
from services.logs.metrics.points import REPORTED, store_points
from services.logs.setup import MIGRATIONS
from services.logs.tables import Job, database
from services.logs.zombies import ZombieSweep
from shared.database.connect import connection, open_database
from shared.database.migrations import migrate
from shared.errors import Unavailable


@pytest.fixture
def tables(new_database, database_kind):
    opened = open_database(new_database(database_kind))
    database.initialize(opened)
    migrate(opened, MIGRATIONS)
    with connection(opened):
        yield
    opened.close_all()


def running(silent_s, heartbeat_s=10, status="running"):
    """A job whose kernel was last heard of so long ago."""
    now = datetime.now(UTC)
    return Job.create(
        dataset_id=1,
        configuration={},
        status=status,
        kernel="gpu-1",
        heartbeat_s=heartbeat_s,
        created_at=now,
        started_at=now,
        last_seen_at=now - timedelta(seconds=silent_s),
    )


def sweep_of(announced, listening_s=3_600):
    since = datetime.now(UTC) - timedelta(seconds=listening_s)
    return ZombieSweep(Ingest(on_commit=lambda *_: None), announced.append, listening_since=since)


def test_it_ends_who_was_silent_for_three_heartbeats(tables):
    announced = []
    silent, alive, unwatched = running(31), running(29), running(10_000, heartbeat_s=None)
    last_heard = silent.last_seen_at
    sweep_of(announced).sweep()
    assert announced == [silent.id]
    ended = jobs.get_job(silent.id)
    assert (ended.status, ended.completed_at is None) == ("failed", False)
    (line,), _ = read_lines(silent.id, 0, 10, 10)
    assert line[1:3] == (3, "tunedeck")
    assert f"last heard of at {last_heard:%Y-%m-%dT%H:%M:%S}Z" in line[3]
    assert ended.error in line[3]
    assert {jobs.get_job(job.id).status for job in (alive, unwatched)} == {"running"}


def test_of_many_processes_one_ends_it(tables):
    silent, announced = running(60), []
    sweeps = [sweep_of(announced) for _ in range(8)]
    gevent.joinall([gevent.spawn(sweep.sweep) for sweep in sweeps], timeout=30)
    assert announced == [silent.id]
    assert len(read_lines(silent.id, 0, 10, 10)[0]) == 1


def test_after_an_outage_of_ours_nobody_counts_as_silent(tables, monkeypatch):
    running(60)
    announced = []
    started = sweep_of(announced, listening_s=5)
    started.sweep()
    assert announced == []
    long_up = sweep_of(announced)

    def away():
        raise Unavailable("The database does not answer.")

    with monkeypatch.context() as patch:
        patch.setattr(jobs, "watched_jobs", away)
        long_up.look()
    long_up.sweep()
    assert announced == []


def test_a_line_in_time_saves_it(tables):
    job, announced = running(60), []
    found = jobs.watched_jobs()
    Job.update(last_seen_at=datetime.now(UTC)).where(Job.id == job.id).execute()
    assert jobs.end_silent(found[0], "too late") is False
    sweep_of(announced).sweep()
    assert announced == []


@pytest.mark.parametrize("silent_s", [3, -3_600], ids=["of late", "by a clock ahead of ours"])
def test_metrics_are_a_sign_of_life(tables, silent_s):
    job = running(silent_s)
    now = datetime.now(UTC)
    store_points(job.id, REPORTED, [("loss", 1, 0.5, 0, None)])
    heard = jobs.get_job(job.id).last_seen_at
    assert abs(heard - now) < timedelta(seconds=60)
