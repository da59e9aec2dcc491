"""The curves of a job: each metric's points, thinned, with what is known of all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from services.logs import telemetry
from services.logs.jobs import get_job
from services.logs.lines.hold import require_log
from services.logs.metrics import points
from services.logs.metrics.derive import derive
from services.logs.metrics.points import Row, Value
from services.logs.metrics.thinning import Point, thin
from services.logs.tables import Job
from shared.pacing import yield_turn

SPARKLINE_POINTS = 50
SPARKLINE_LINES = 1_000


@dataclass(frozen=True)
class Series:
    """A metric; ``count``, ``first`` and ``last`` are of all points asked for, the extremes of the finite ones."""

    name: str
    count: int
    smallest: float | None
    largest: float | None
    points: list[Point]
    first: Point
    last: Point


@dataclass(frozen=True)
class Metrics:
    """A job's curves; ``complete`` unless a log is still being read, up to line ``read_to`` so far."""

    source: str | None
    complete: bool
    read_to: int
    series: list[Series]


def read_metrics(job_id: int, names: Sequence[str], after_step: int, max_points: int) -> Metrics:
    """Return a job's curves by name, those of ``names`` or all, of the source that it shows.

    Raises NotFound (no such job) or Gone (its log was deleted).
    """
    job = get_job(job_id)
    require_log(job)
    source = points.find_source(job_id)
    if source != points.REPORTED:
        job = derive(job)
        source = points.find_source(job_id)
    is_read = source == points.REPORTED or job.metrics_read_to >= job.last_line
    if source is None:
        return Metrics(None, is_read, job.metrics_read_to, [])
    wanted = sorted(set(names), key=str.encode) if names else points.metric_names(job_id, source)
    curves = [_read_series(job_id, source, name, after_step, max_points) for name in wanted]
    return Metrics(points.SOURCES[source], is_read, job.metrics_read_to, [curve for curve in curves if curve])


def read_sparklines(job: Job, names: Sequence[str]) -> list[Series]:
    """Return those of a job's curves in at most SPARKLINE_POINTS points; of an unread log only a little is read."""
    if points.find_source(job.id) != points.REPORTED:
        derive(job, SPARKLINE_LINES)
    source = points.find_source(job.id)
    if source is None:
        return []
    curves = (_read_series(job.id, source, name, -1, SPARKLINE_POINTS) for name in dict.fromkeys(names))
    return [curve for curve in curves if curve]


def _read_series(job_id: int, source: int, name: str, after_step: int, max_points: int) -> Series | None:
    found: list[Value] = []
    while block := points.read_values(job_id, source, name, found[-1][0] if found else after_step):
        found += block
        yield_turn()
    values = [math.nan if value is None else value for _, value in found]
    # What else is known of a point is read for those that are shown: of a long curve a few.
    steps = [found[index][0] for index in thin(values, max_points)]
    shown = [_point(row) for row in points.read_points(job_id, source, name, steps)]
    if not shown:
        return None
    telemetry.points_read.inc(len(shown))
    finite = [point.value for point in shown if math.isfinite(point.value)]  # the extremes are among what is shown
    smallest, largest = (min(finite), max(finite)) if finite else (None, None)
    return Series(name, len(found), smallest, largest, shown, shown[0], shown[-1])


def _point(row: Row) -> Point:
    step, value, timestamp, line = row
    return Point(step, math.nan if value is None else value, timestamp, line)
