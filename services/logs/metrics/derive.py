"""Derives metrics from a job's lines when somebody asks; ingest knows nothing of it, whose speed is worth more.

Any number of processes may derive one job's at once: a compare-and-set on the job's cursor keeps each slice once.
"""

from __future__ import annotations

from collections.abc import Iterator

from services.logs.jobs import get_job
from services.logs.lines.queries import read_messages
from services.logs.metrics.points import LOG, NewPoint, write_points
from services.logs.metrics.trainer_lines import MAX_LINE_CHARS, WORDS, read_line
from services.logs.tables import Job, connected, database
from shared.pacing import yield_turn, yielding

MAX_LINES = 250_000
"""A request reads no further; the next one goes on."""

MAX_MESSAGES = 50_000
"""Of these lines, as many that may have metrics: a hostile one takes as long as a thousand that have none."""

_SLICE = 10_000
"""Of one transaction, each of which waits for the disk."""

_LINES_A_READ = 5_000
"""Twenty megabytes of ASCII at most; of a log as they are, a few kilobytes."""

_LINES_A_TURN = 250
"""Some four milliseconds where each has metrics."""


def derive(job: Job, most: int = MAX_LINES) -> Job:
    """Read at most so many of the lines that are unread, and return the job: it says how far its log is read.

    Of lines without a step the step is the order in which they come, and their epoch a metric beside the others.
    """
    ends, left = min(job.last_line, job.metrics_read_to + most), MAX_MESSAGES
    while job.metrics_read_to < ends and left > 0 and job.log_expired_at is None:
        read_to = min(ends, job.metrics_read_to + _SLICE)
        points: list[NewPoint] = []
        unnumbered = job.metrics_unnumbered
        for number, message, timestamp in _messages(job, read_to):
            left -= 1
            reading = read_line(message)
            if reading is None:
                continue
            step = reading.step
            if step is None:
                step = unnumbered = unnumbered + 1
            points += [(name, step, value, timestamp, number) for name, value in reading.values.items()]
            if reading.epoch is not None:
                points.append(("epoch", step, reading.epoch, timestamp, number))
        if not _keep(job, read_to, points, unnumbered):
            job = get_job(job.id)  # another process was faster, or the log was deleted
    return job


def _messages(job: Job, read_to: int) -> Iterator[tuple[int, str, int]]:
    """Yield the messages that may have metrics, and turns to others between."""
    for after in range(job.metrics_read_to, read_to, _LINES_A_READ):
        upto = min(read_to, after + _LINES_A_READ)
        messages = read_messages(job.id, after, upto, longest=MAX_LINE_CHARS, words=WORDS)
        yield from yielding(messages, _LINES_A_TURN)
        yield_turn()


@connected
def _keep(job: Job, read_to: int, points: list[NewPoint], unnumbered: int) -> bool:
    """Store a slice's points and move the cursor after it; False where somebody else has moved it."""
    with database.atomic():
        is_ours = (Job.id == job.id) & (Job.metrics_read_to == job.metrics_read_to) & Job.log_expired_at.is_null()
        moved = Job.update(metrics_read_to=read_to, metrics_unnumbered=unnumbered).where(is_ours).execute()
        if not moved:
            return False
        write_points(job.id, LOG, points)
    job.metrics_read_to, job.metrics_unnumbered = read_to, unnumbered
    return True
