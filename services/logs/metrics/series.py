"""The curves of a job as the API shows them: each metric's points, thinned, with what is known of all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from services.logs import telemetry
from services.logs.jobs import get_job
from services.logs.lines.hold import require_log
from services.logs.metrics import points
from services.logs.metrics.derive import derive
from services.logs.metrics.points import Row, Value, json_value
from services.logs.metrics.thinning import thin
from services.logs.tables import Job
from shared.pacing import yield_turn
from shared.timestamps import format_micros

SPARKLINE_POINTS = 50
SPARKLINE_LINES = 1_000


def read_metrics(job_id: int, names: Sequence[str], after_step: int, max_points: int) -> dict[str, Any]:
    """Return a job's curves by name, those of ``names`` or all, of the source that it shows.

    ``complete`` unless its log is still being read, up to line ``read_to`` so far. Raises NotFound (no such job) or
    Gone (its log was deleted).
    """
    job = get_job(job_id)
    require_log(job)
    source = points.find_source(job_id)
    if source != points.REPORTED:
        job = derive(job)
        source = points.find_source(job_id)
    curves = []
    if source is not None:
        wanted = sorted(set(names), key=str.encode) if names else points.metric_names(job_id, source)
        curves = [_read_series(job_id, source, name, after_step, max_points) for name in wanted]
    return {
        "job_id": job_id,
        "source": None if source is None else points.SOURCES[source],
        "complete": source == points.REPORTED or job.metrics_read_to >= job.last_line,
        "read_to": job.metrics_read_to,
        "series": [curve for curve in curves if curve],
    }


def read_sparklines(job: Job, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return those of a job's curves, by name the last value and at most SPARKLINE_POINTS points.

    Of an unread log only a little is read.
    """
    if points.find_source(job.id) != points.REPORTED:
        derive(job, SPARKLINE_LINES)
    source = points.find_source(job.id)
    if source is None:
        return {}
    curves = (_read_series(job.id, source, name, -1, SPARKLINE_POINTS) for name in dict.fromkeys(names))
    return {curve["name"]: {"last": curve["last"], "points": curve["points"]} for curve in curves if curve}


def _read_series(job_id: int, source: int, name: str, after_step: int, max_points: int) -> dict[str, Any] | None:
    """Return a curve: the count, the first and the last are of all points asked for, the extremes of finite ones."""
    found: list[Value] = []
    while block := points.read_values(job_id, source, name, found[-1][0] if found else after_step):
        found += block
        yield_turn()
    values = [math.nan if value is None else value for _, value in found]
    # What else is known of a point is read for those that are shown: of a long curve a few.
    steps = [found[index][0] for index in thin(values, max_points)]
    shown = points.read_points(job_id, source, name, steps)
    if not shown:
        return None
    telemetry.points_read.inc(len(shown))
    # The extremes are among what is shown.
    finite = [value for _, value, _, _ in shown if value is not None and math.isfinite(value)]
    return {
        "name": name,
        "count": len(found),
        "first_step": shown[0][0],
        "last_step": shown[-1][0],
        "min": min(finite, default=None),
        "max": max(finite, default=None),
        "last": json_value(shown[-1][1]),
        "points": [_show_point(row) for row in shown],
    }


def _show_point(row: Row) -> list[Any]:
    step, value, timestamp, line = row
    return [step, json_value(value), format_micros(timestamp), line]
