"""The metric points of jobs: stored, read, and which of a job's sources is shown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from services.logs.lines.delete import require_log
from services.logs.tables import Job, Metric, connected, database
from shared.database.queries import execute_many, get_or_404

SOURCES = ("reported", "log", "status")
"""Where points come from, by their number; a job shows the first of these that has any."""

REPORTED, LOG, STATUS = range(len(SOURCES))

BLOCK = 20_000
"""Points of a read, which takes some ten milliseconds."""

Row = tuple[int, float | None, int, int | None]
"""A stored point: step, value (None is NaN), timestamp and line; bare, for a curve may have a million."""


def json_value(value: float | None) -> float | str:
    """Return a point's value for JSON, which has no NaN and no Infinity: they are the strings of these names."""
    if value is None or math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


class NewPoint(NamedTuple):
    """A point that comes in; ``timestamp`` is microseconds since 1970."""

    name: str
    step: int
    value: float
    timestamp: int
    line: int | None = None


@connected
def store_points(job_id: int, source: int, points: Sequence[NewPoint]) -> None:
    """Store points, all or none; one of the same name and step takes the place of an earlier one.

    Raises NotFound (no such job) or Gone (its log was deleted, and its metrics with it).
    """
    with database.atomic():
        job: Job = get_or_404(database.lock_rows(Job.select().where(Job.id == job_id)), f"job {job_id}")
        require_log(job)
        if job.completed_at is None:
            job.last_seen_at = datetime.now(UTC)
            job.save()
        write_points(job_id, source, points)


def write_points(job_id: int, source: int, points: Sequence[NewPoint]) -> None:
    """Write points in the transaction that this is called in, which holds the job's row."""
    mark = database.param
    statement = (
        "INSERT INTO metric (job_id, source, name, step, value, timestamp, line) "
        f"VALUES ({', '.join([mark] * 7)}) ON CONFLICT (job_id, source, name, step) "
        "DO UPDATE SET value = excluded.value, timestamp = excluded.timestamp, line = excluded.line"
    )
    # Of one name and step the last one counts; PostgreSQL refuses to touch a row twice in a statement, not in many.
    rows = [
        (job_id, source, name, step, None if math.isnan(value) else value, timestamp, line)
        for name, step, value, timestamp, line in points
    ]
    execute_many(database, statement, rows)


@connected
def find_source(job_id: int) -> int | None:
    """Return the number of the source that the job shows, or None where it has no points."""
    query = Metric.select(Metric.source).where(Metric.job_id == job_id)
    number = query.order_by(Metric.job_id, Metric.source).limit(1).scalar()
    return None if number is None else int(number)


@connected
def metric_names(job_id: int, source: int) -> list[str]:
    """Return the names of a job's metrics, sorted by their UTF-8 bytes; a step along the index for each."""
    names: list[str] = []
    while True:
        later = (Metric.job_id == job_id) & (Metric.source == source) & (Metric.name > (names[-1] if names else ""))
        query = Metric.select(Metric.name).where(later).order_by(Metric.name)
        name = query.limit(1).scalar()
        if name is None:
            return names
        names.append(name)


@connected
def last_point(job_id: int, source: int, name: str) -> Row | None:
    """Return the point of a metric that has the highest step, or None."""
    query = Metric.select(Metric.step, Metric.value, Metric.timestamp, Metric.line).where(
        Metric.job_id == job_id, Metric.source == source, Metric.name == name
    )
    row: Row | None = database.execute(query.order_by(Metric.step.desc()).limit(1)).fetchone()
    return row


@connected
def read_block(job_id: int, source: int, name: str, after_step: int, limit: int = BLOCK) -> list[Row]:
    """Return the next points of a metric by their step, at most ``limit`` of them, as the driver gives them."""
    query = Metric.select(Metric.step, Metric.value, Metric.timestamp, Metric.line).where(
        Metric.job_id == job_id, Metric.source == source, Metric.name == name, Metric.step > after_step
    )
    rows: list[Row] = database.execute(query.order_by(Metric.step).limit(limit)).fetchall()
    return rows
