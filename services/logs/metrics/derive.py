"""Derives metrics from a job's lines when somebody asks; ingest knows nothing of it, whose speed is worth more.

Any number of processes may derive one job's at once: a compare-and-set on the job's cursor keeps each slice once.
"""

from __future__ import annotations

from collections.abc import Sequence

from services.logs.jobs import get_job
from services.logs.lines.queries import StoredLine, read_lines
from services.logs.metrics.points import LOG, NewPoint, write_points
from services.logs.metrics.trainer_lines import read_line
from services.logs.tables import Job, connected, database
from shared.pacing import yield_turn, yielding

MAX_LINES = 50_000
"""A request reads no further; the next one goes on."""

_SLICE = 5_000
"""Of one transaction, each of which waits for the disk."""


def derive(job: Job, most: int = MAX_LINES) -> Job:
    """Read at most so many of the lines that are unread, and return the job: it says how far its log is read."""
    ends = min(job.last_line, job.metrics_read_to + most)
    while job.metrics_read_to < ends:
        lines, _ = read_lines(job.id, job.metrics_read_to, ends, _SLICE)
        if not lines:
            break
        points, numbered = _points(lines, job.metrics_unnumbered)
        if not _keep(job, lines[-1][0], numbered, points):
            job = get_job(job.id)  # another process was faster
            continue
        yield_turn()
    return job


def _points(lines: Sequence[StoredLine], unnumbered: int) -> tuple[list[NewPoint], int]:
    """Return the points of lines, and how many lines without a step there are by now.

    Of these the step is the order in which they come, and their epoch a metric beside the others.
    """
    points: list[NewPoint] = []
    for number, _, _, message, timestamp in yielding(lines):
        reading = read_line(message)
        if reading is None:
            continue
        step = reading.step
        if step is None:
            step = unnumbered = unnumbered + 1
        points += [NewPoint(name, step, value, timestamp, number) for name, value in reading.values.items()]
        if reading.epoch is not None:
            points.append(NewPoint("epoch", step, reading.epoch, timestamp, number))
    return points, unnumbered


@connected
def _keep(job: Job, read_to: int, unnumbered: int, points: list[NewPoint]) -> bool:
    """Store a slice's points and move the cursor after it; False where somebody else has moved it."""
    with database.atomic():
        is_ours = (Job.id == job.id) & (Job.metrics_read_to == job.metrics_read_to) & Job.log_expired_at.is_null()
        moved = Job.update(metrics_read_to=read_to, metrics_unnumbered=unnumbered).where(is_ours).execute()
        if not moved:
            return False
        write_points(job.id, LOG, points)
    job.metrics_read_to, job.metrics_unnumbered = read_to, unnumbered
    return True
