"""Pages and replays of long logs, against short ones and a bare cursor; `python -m bench.reading`."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from bench import support
from bench.delivery import LINE, read_answer
from bench.support import Row
from services.logs.jobs import create_job
from services.logs.tables import MIGRATIONS, Job, database
from shared.database.connect import connection, open_database
from shared.database.migrations import migrate

LONG, SHORT, REPLAYED = 10_000_000, 1_000, 1_000_000
PAGE = 100
REQUESTS = 400


def fill(lines: int) -> int:
    """Store a job with so many lines and return its id."""
    job, _ = create_job(None, dataset_id=1, name=None, configuration={})
    statement = "INSERT INTO line (job_id, id, level, source, message, timestamp) VALUES (?, ?, 1, 'kernel', ?, ?)"
    with connection(database), database.atomic():
        rows = ((job.id, n, LINE, 1_700_000_000_000_000 + n) for n in range(1, lines + 1))
        database.connection().cursor().executemany(statement, rows)
        Job.update(last_line=lines, status="completed", completed_at=job.created_at).where(Job.id == job.id).execute()
    return int(job.id)


def page_ms(url: str, job: int, after: int) -> float:
    """Return the median milliseconds of a page of 100 lines after line ``after``."""
    request = f"GET /api/v1/jobs/{job}/logs?limit={PAGE}&after={after} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    times = []
    with support.connect(url) as client:
        for _ in range(REQUESTS):
            began = time.perf_counter()
            client.sendall(request)
            assert read_answer(client).startswith(b"HTTP/1.1 200")
            times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def replay(url: str, job: int, pid: int) -> tuple[float, int]:
    """Return the lines a second of a whole replay to one client, and by how many KiB the worker's memory grew."""
    request = f"GET /api/v1/jobs/{job}/logs HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n".encode()
    before = most = support.memory_kib(pid)
    events, tail = 0, b""
    began = time.perf_counter()
    with support.connect(url) as client:
        client.sendall(request)
        while events < REPLAYED:
            data = tail + client.recv(1 << 20)
            whole = data.count(b"\n\n")
            if events // 200_000 != (events + whole) // 200_000:
                most = max(most, support.memory_kib(pid))
            events += whole
            tail = data[-1:] if not data.endswith(b"\n\n") else b""
    return events / (time.perf_counter() - began), most - before


def bare_cursor(job: int) -> float:
    """Return the lines a second of reading the same rows with the driver alone."""
    began = time.perf_counter()
    with connection(database):
        query = "SELECT id, level, source, message, timestamp FROM line WHERE job_id = ? ORDER BY job_id, id"
        count = sum(1 for _ in database.connection().cursor().execute(query, (job,)))
    return count / (time.perf_counter() - began)


def main() -> None:
    support.pin(support.CLIENT_CORE)
    print(support.machine())
    with tempfile.TemporaryDirectory() as name, support.valkey(Path(name)) as redis_url:
        url = f"sqlite:///{name}/logs.db"
        database.initialize(open_database(url))
        migrate(database, MIGRATIONS)
        short, replayed, long = fill(SHORT), fill(REPLAYED), fill(LONG)
        with support.logs_running(url, redis_url) as (service, process):
            reference = page_ms(service, short, 450)
            for place, after in (("start", 0), ("middle", LONG // 2), ("end", LONG - PAGE)):
                ours = page_ms(service, long, after)
                what = f"page of {PAGE} lines at the {place} of {LONG:,} lines, against {SHORT:,}"
                Row(what, ours, reference, "≤ 1.2×", "ms").print()
            rate, grown = replay(service, replayed, process.pid)
        Row(f"replay of {REPLAYED:,} lines to one client", rate, bare_cursor(replayed), "≥ 0.5×", "lines/s").print()
        print(f"  memory grew by {grown / 1024:.1f} MiB during the replay")


if __name__ == "__main__":
    main()
