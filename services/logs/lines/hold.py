"""The row of a job as whoever writes or reads its log needs it, and the error where that log was deleted."""

from __future__ import annotations

from datetime import UTC, datetime

from services.logs.tables import Job, connected, database
from shared.errors import Gone, NotFound
from shared.timestamps import format_time, from_micros, to_micros

_NOTED_EVERY_MICROS = 1_000_000


def log_deleted(job_id: int, expired_at: datetime) -> Gone:
    """Return the error of whatever asks for a log that was deleted then."""
    return Gone(f"The log of job {job_id} was deleted at {format_time(expired_at)}.")


def require_log(job: Job) -> None:
    """Raise Gone where the job's log was deleted."""
    if job.log_expired_at is not None:
        raise log_deleted(job.id, job.log_expired_at)


def hold_log(job_id: int) -> int:
    """Lock the job's row until the transaction ends, and return its last line; raises NotFound or Gone."""
    return _read(job_id, database.row_lock)[0]


@connected
def read_last_line(job_id: int) -> int:
    """Return the job's last line, without a lock; raises NotFound or Gone."""
    return _read(job_id)[0]


def hold_heard(job_id: int) -> None:
    """As ``hold_log``, and note that the kernel lives: once a second, for an UPDATE costs as much as ten points."""
    last_line, last_seen_at = _read(job_id, database.row_lock)
    # Another replica's clock may be ahead of ours.
    if abs(to_micros(datetime.now(UTC)) - (last_seen_at or 0)) >= _NOTED_EVERY_MICROS:
        note_heard(job_id, last_line)


def _read(job_id: int, row_lock: str = "") -> tuple[int, int | None]:
    # This and the next in plain SQL: peewee takes longer to build such a statement than either database to run it.
    query = f"SELECT last_line, last_seen_at, log_expired_at FROM job WHERE id = {database.param}{row_lock}"
    row = database.execute_sql(query, (job_id,)).fetchone()
    if row is None:
        raise NotFound(f"There is no job {job_id}.")
    last_line, last_seen_at, log_expired_at = row
    if log_expired_at is not None:
        raise log_deleted(job_id, from_micros(log_expired_at))
    return last_line, last_seen_at


def note_heard(job_id: int, last_line: int) -> None:
    """Set the job's last line and that its kernel lives; of a job that has ended the record stays as it is."""
    mark = database.param
    seen = f"CASE WHEN completed_at IS NULL THEN {mark} ELSE last_seen_at END"
    statement = f"UPDATE job SET last_line = {mark}, last_seen_at = {seen} WHERE id = {mark}"
    database.execute_sql(statement, (last_line, to_micros(datetime.now(UTC)), job_id))
