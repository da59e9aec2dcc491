"""Group commit: concurrent POSTs to one job are stored in one transaction, numbered without a gap."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import gevent
from gevent.event import AsyncResult

from services.logs import telemetry
from services.logs.lines.hold import hold_log, note_heard
from services.logs.lines.parse import NewBatch, NewLine
from services.logs.tables import IdempotencyKey, Line, connected, database
from shared.errors import ServiceError, TooMany, Unavailable, Unprocessable

MAX_PENDING_PER_JOB = 20_000
MAX_PENDING = 50_000
_GROUP_LINES = 500
"""A transaction takes whole batches until it has this many lines."""

Committed = Callable[[int, int, list[NewLine]], None]
"""Told (job, number of the first line, lines) after each commit."""


@dataclass(frozen=True)
class StoredBatch:
    """The numbers that a batch got: ``count`` from ``first_id``; ``replayed`` where an earlier POST stored it."""

    first_id: int
    count: int
    replayed: bool = False

    @property
    def last_id(self) -> int:
        return self.first_id + self.count - 1


@dataclass
class _Pending:
    batch: NewBatch
    key: str | None
    result: AsyncResult = field(default_factory=AsyncResult)


class Ingest:
    """The queues of lines to commit, by job; one per process, called from greenlets."""

    def __init__(self, on_commit: Committed) -> None:
        self._on_commit = on_commit
        self._queues: dict[int, deque[_Pending]] = {}
        self._pending_of: Counter[int] = Counter()
        self._pending = 0

    def store(self, job_id: int, batch: NewBatch, key: str | None) -> StoredBatch:
        """Return once the batch is on disk; all of it or, with an error, none of it.

        Raises NotFound (no such job), Gone (its log was deleted),
        Unprocessable (another batch has the key), TooMany or Unavailable (the
        process holds too many uncommitted lines, or the database is away).
        """
        count = len(batch.lines)
        if self._pending_of[job_id] + count > MAX_PENDING_PER_JOB:
            raise TooMany(f"Job {job_id} has {MAX_PENDING_PER_JOB} uncommitted lines waiting.")
        if self._pending + count > MAX_PENDING:
            raise Unavailable(f"{MAX_PENDING} uncommitted lines are waiting.")
        pending = _Pending(batch, key)
        self._count(job_id, count)
        queue = self._queues.get(job_id)
        if queue is None:
            self._queues[job_id] = queue = deque((pending,))
            gevent.spawn(self._drain, job_id, queue)
        else:
            queue.append(pending)
        stored: StoredBatch = pending.result.get()
        return stored

    def _count(self, job_id: int, change: int) -> None:
        self._pending += change
        self._pending_of[job_id] += change

    def _drain(self, job_id: int, queue: deque[_Pending]) -> None:
        """Commit group after group until nothing waits; requests that come meanwhile make the next group."""
        while queue:
            group = _take_group(queue)
            answers: list[StoredBatch | Exception]
            try:
                first_id, lines, answers = _commit(job_id, group)
            except Exception as error:  # whatever it was, each of the group's requests must answer it
                first_id, lines, answers = 0, [], [error] * len(group)
            for pending, answer in zip(group, answers, strict=True):
                self._count(job_id, -len(pending.batch.lines))
                if isinstance(answer, StoredBatch):
                    if answer.replayed:
                        telemetry.batches_replayed.inc()
                    pending.result.set(answer)
                else:
                    pending.result.set_exception(answer)
            if lines:
                telemetry.commits.inc()
                telemetry.lines_stored.inc(len(lines))
                self._on_commit(job_id, first_id, lines)
            # Let every request that can be read by now join the next group.
            gevent.sleep(0)
        del self._queues[job_id]
        del self._pending_of[job_id]


def _take_group(queue: deque[_Pending]) -> list[_Pending]:
    group = [queue.popleft()]
    lines = len(group[0].batch.lines)
    while queue and lines + len(queue[0].batch.lines) <= _GROUP_LINES:
        group.append(queue.popleft())
        lines += len(group[-1].batch.lines)
    return group


@connected
def _commit(job_id: int, group: list[_Pending]) -> tuple[int, list[NewLine], list[StoredBatch | Exception]]:
    """Write a group in one transaction under the job's row lock; return an answer for each of its batches.

    No I/O and no yield inside but the database's own: a greenlet that pauses in here holds every writer of the file.
    """
    lines: list[NewLine] = []
    answers: list[StoredBatch | Exception] = []
    with database.atomic():
        first_id = hold_log(job_id) + 1
        for pending in group:
            answer = _earlier_answer(job_id, pending) if pending.key else None
            if answer is None:
                answer = StoredBatch(first_id + len(lines), len(pending.batch.lines))
                lines.extend(pending.batch.lines)
                if pending.key:
                    _remember(job_id, pending, answer)
            answers.append(answer)
        if lines:
            rows: Any = [(job_id, line_id, *line) for line_id, line in enumerate(lines, start=first_id)]
            database.insert_rows(Line, ("job_id", "id", "level", "source", "message", "timestamp"), rows)
            note_heard(job_id, first_id + len(lines) - 1)
    return first_id, lines, answers


def _earlier_answer(job_id: int, pending: _Pending) -> StoredBatch | ServiceError | None:
    earlier = IdempotencyKey.get_or_none((IdempotencyKey.job_id == job_id) & (IdempotencyKey.key == pending.key))
    if earlier is None:
        return None
    if (earlier.digest, earlier.single) != (pending.batch.digest, pending.batch.single):
        return Unprocessable.field("Idempotency-Key", "Was used for another body.")
    return StoredBatch(earlier.first_id, earlier.count, replayed=True)


def _remember(job_id: int, pending: _Pending, stored: StoredBatch) -> None:
    IdempotencyKey.insert(
        job_id=job_id,
        key=pending.key,
        digest=pending.batch.digest,
        single=pending.batch.single,
        first_id=stored.first_id,
        count=stored.count,
        created_at=datetime.now(UTC),
    ).execute()
