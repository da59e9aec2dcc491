"""The metric points of jobs: stored, read, and which of a job's sources is shown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from services.logs import telemetry
from services.logs.lines.hold import hold_heard
from services.logs.tables import Metric, connected, database
from shared.database.queries import slices

SOURCES = ("reported", "log", "status")
"""Where points come from, by their number; a job shows the first of these that has any."""

REPORTED, LOG, STATUS = range(len(SOURCES))

_COLUMNS = ("job_id", "source", "name", "step", "value", "timestamp")
_REPLACE = (
    "ON CONFLICT (job_id, source, name, step) "
    "DO UPDATE SET value = excluded.value, timestamp = excluded.timestamp, line = excluded.line"
)

BLOCK = 20_000
"""Points of a read, which takes some ten milliseconds."""

_STEPS_A_QUERY = 1_000

Value = tuple[int, float | None]
"""A step and its value (None is NaN), bare as the driver gives it: a curve may have a million."""

Row = tuple[int, float | None, int, int | None]
"""A point that is shown: step, value, timestamp and line."""

NewPoint = tuple[str, int, float, int, int | None]
"""A point that comes in: name, step, value, timestamp (microseconds since 1970) and the line that says it."""

_ROW = (Metric.step, Metric.value, Metric.timestamp, Metric.line)


def json_value(value: float | None) -> float | str:
    """Return a point's value for JSON, which has no NaN and no Infinity: they are the strings of these names."""
    if value is None or math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


@connected
def store_points(job_id: int, source: int, points: Sequence[NewPoint]) -> None:
    """Store points, all or none; one of the same name and step takes the place of an earlier one.

    Raises NotFound (no such job) or Gone (its log was deleted, and its metrics with it).
    """
    with database.atomic():
        hold_heard(job_id)
        write_points(job_id, source, points)
    telemetry.points_stored.inc(len(points))


def write_points(job_id: int, source: int, points: Sequence[NewPoint]) -> None:
    """Write points in the transaction that this is called in, which holds the job's row."""
    if source == LOG:
        rows: list[tuple[Any, ...]] = [
            (job_id, source, name, step, value if value == value else None, timestamp, line)  # noqa: PLR0124  # NaN is not
            for name, step, value, timestamp, line in points
        ]
        database.insert_rows(Metric, (*_COLUMNS, "line"), rows, _REPLACE)
        return
    # No line says these, and nothing is bound for it: of a report of 100 points 0.05 ms went into a hundred NULLs.
    rows = [
        (job_id, source, name, step, value if value == value else None, timestamp)  # noqa: PLR0124
        for name, step, value, timestamp, _ in points
    ]
    database.insert_rows(Metric, _COLUMNS, rows, _REPLACE)


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
def read_values(job_id: int, source: int, name: str, after_step: int) -> list[Value]:
    """Return the next values of a metric by their step, at most ``BLOCK`` of them."""
    query = _curve(job_id, source, name, Metric.step, Metric.value).where(Metric.step > after_step)
    values: list[Value] = database.execute(query.order_by(Metric.step).limit(BLOCK)).fetchall()
    return values


@connected
def read_block(job_id: int, source: int, name: str, after_step: int, limit: int = BLOCK) -> list[Row]:
    """Return the next points of a metric by their step, at most ``limit`` of them."""
    query = _curve(job_id, source, name, *_ROW).where(Metric.step > after_step)
    rows: list[Row] = database.execute(query.order_by(Metric.step).limit(limit)).fetchall()
    return rows


@connected
def read_points(job_id: int, source: int, name: str, steps: Sequence[int]) -> list[Row]:
    """Return the points of a metric at these steps, in order; those that were deleted meanwhile are not among them."""
    rows: list[Row] = []
    for some in slices(steps, _STEPS_A_QUERY):
        query = _curve(job_id, source, name, *_ROW).where(Metric.step.in_(some))
        rows += database.execute(query.order_by(Metric.step)).fetchall()
    return rows


@connected
def last_point(job_id: int, source: int, name: str) -> Row | None:
    """Return the point of a metric that has the highest step, or None."""
    query = _curve(job_id, source, name, *_ROW).order_by(Metric.step.desc())
    row: Row | None = database.execute(query.limit(1)).fetchone()
    return row


def _curve(job_id: int, source: int, name: str, *columns: Any) -> Any:
    return Metric.select(*columns).where(Metric.job_id == job_id, Metric.source == source, Metric.name == name)
