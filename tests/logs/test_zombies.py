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


def running(heartbeat_s=10, clock_s=0, status="running"):
    """A job whose kernel was heard of just now, by a clock that is so many seconds ahead."""
    now = datetime.now(UTC)
    return Job.create(
        dataset_id=1,
        configuration={},
        status=status,
        kernel="gpu-1",
        heartbeat_s=heartbeat_s,
        created_at=now,
        started_at=now,
        last_seen_at=now + timedelta(seconds=clock_s),
    )


def hear(job):
    later = jobs.get_job(job.id).last_seen_at + timedelta(seconds=1)
    Job.update(last_seen_at=later).where(Job.id == job.id).execute()


class Watch:
    """A sweep whose clock goes on by hand."""

    def __init__(self):
        self.now, self.announced = 1000.0, []
        self.sweep = ZombieSweep(Ingest(on_commit=lambda *_: None), self.announced.append, clock=lambda: self.now)

    def after(self, seconds):
        """Sweep after so many seconds, and return the jobs that were ended so far."""
        self.now += seconds
        self.sweep.look()
        return self.announced


def test_it_ends_who_was_silent_for_three_heartbeats(tables):
    silent, slow, unwatched = running(), running(heartbeat_s=11), running(heartbeat_s=None)
    last_heard, watch = silent.last_seen_at, Watch()
    assert watch.after(0) == watch.after(29) == []
    assert watch.after(2) == [silent.id]
    ended = jobs.get_job(silent.id)
    assert (ended.status, ended.completed_at is None) == ("failed", False)
    (line,), _ = read_lines(silent.id, 0, 10, 10)
    assert line[1:3] == (3, "tunedeck")
    assert f"last heard of at {last_heard:%Y-%m-%dT%H:%M:%S}Z" in line[3]
    assert ended.error in line[3]
    assert {jobs.get_job(job.id).status for job in (slow, unwatched)} == {"running"}


@pytest.mark.parametrize("clock_s", [-3600, 3600])
def test_clocks_an_hour_apart_end_nobody_who_lives(tables, clock_s):
    job, watch = running(clock_s=clock_s), Watch()
    for _ in range(10):
        assert watch.after(20) == []
        hear(job)
    assert watch.after(20) == []
    assert watch.after(31) == [job.id]


def test_of_many_processes_one_ends_it(tables):
    silent, watches = running(), [Watch() for _ in range(8)]
    for watch in watches:
        watch.after(0)
    gevent.joinall([gevent.spawn(watch.after, 31) for watch in watches], timeout=30)
    assert [job for watch in watches for job in watch.announced] == [silent.id]
    assert len(read_lines(silent.id, 0, 10, 10)[0]) == 1


def test_after_an_outage_of_ours_nobody_counts_as_silent(tables, monkeypatch):
    running()
    watch = Watch()
    watch.after(0)

    def away():
        raise Unavailable("The database does not answer.")

    with monkeypatch.context() as patch:
        patch.setattr(jobs, "watched_jobs", away)
        watch.after(25)
    assert watch.after(25) == []


def test_a_line_in_time_saves_it(tables):
    job, watch = running(), Watch()
    watch.after(0)
    found = jobs.watched_jobs()
    hear(job)
    assert jobs.end_silent(found[0], "too late") is False
    assert watch.after(31) == []


@pytest.mark.parametrize("clock_s", [-3, 3_600], ids=["of late", "by a clock ahead of ours"])
def test_metrics_are_a_sign_of_life(tables, clock_s):
    job = running(clock_s=clock_s)
    now = datetime.now(UTC)
    store_points(job.id, REPORTED, [("loss", 1, 0.5, 0, None)])
    heard = jobs.get_job(job.id).last_seen_at
    assert abs(heard - now) < timedelta(seconds=60)
