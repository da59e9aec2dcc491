"""Training metrics stored, thinned and read out of a log, against the bare rows; `python -m bench.metrics`."""

from __future__ import annotations

import json
import socket
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench import support
from bench.delivery import create_job, read_answer
from bench.support import Row
from services.logs import jobs
from services.logs.metrics.trainer_lines import read_line
from services.logs.tables import MIGRATIONS, Job, Metric, database
from shared.database.connect import connection, open_database
from shared.database.migrations import migrate

BATCH, BATCHES, ROUNDS = 100, 100, 15
POINTS, NAMES = 1_000_000, ("accuracy", "loss", "lr")
LINES, OF_THEM = 1_000_000, 10
PLAIN = "tokenised 4,096 of 10,000 documents, 12 workers, cache at /data/cache"
HOSTILE = ("loss: " * 680, "'loss': '" * 450, "loss 1," + "1,111" * 800, "train loss " * 370, "step " * 818)
MARKS = ", ".join("?" * 7)


def bare_inserts(first: int) -> float:
    """Return the points a second of one executemany and one commit for each batch: no HTTP, no checks."""
    batches = [
        [(0, 0, "loss", step + n, 0.5, 1_700_000_000_000_000, None) for n in range(BATCH)] for step in steps(first)
    ]
    with connection(database):
        began = time.perf_counter()
        for rows in batches:
            with database.atomic():
                database.connection().cursor().executemany(f"INSERT INTO metric VALUES ({MARKS})", rows)
        return BATCH * BATCHES / (time.perf_counter() - began)


def points_over_http(client: socket.socket, job: int, first: int) -> float:
    """Return the points a second of batches posted one after the other."""
    head = f"POST /api/v1/jobs/{job}/metrics HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    requests = []
    for step in steps(first):
        body = json.dumps({"metrics": [{"step": step + n, "values": {"loss": 0.5}} for n in range(BATCH)]}).encode()
        requests.append(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    began = time.perf_counter()
    for request in requests:
        client.sendall(request)
        assert read_answer(client).startswith(b"HTTP/1.1 201")
    return BATCH * BATCHES / (time.perf_counter() - began)


def steps(first: int) -> range:
    return range(first, first + BATCH * BATCHES, BATCH)


def store_points(url: str) -> tuple[float, float]:
    """Return the points a second over HTTP and bare, of rounds in turn; the database is the same."""
    job = create_job(url)
    with support.connect(url) as client:
        firsts = range(0, ROUNDS * BATCH * BATCHES, BATCH * BATCHES)
        rates = [(points_over_http(client, job, first), bare_inserts(first)) for first in firsts]
    with connection(database):
        Metric.delete().execute()
    ours, bare = zip(*rates, strict=True)
    return statistics.median(ours), statistics.median(bare)


def fill_points() -> int:
    """Store a job with a million points of each of three metrics and return its id."""
    job, _ = jobs.create_job(None, dataset_id=1, name=None, configuration={})
    with connection(database), database.atomic():
        for name in NAMES:
            rows = ((job.id, 0, name, n, n % 977 / 977, 1_700_000_000_000_000 + n, None) for n in range(POINTS))
            database.connection().cursor().executemany(f"INSERT INTO metric VALUES ({MARKS})", rows)
    return int(job.id)


def fill_lines() -> int:
    """Store a job with a million lines, a tenth of them with figures, and return its id."""
    job, _ = jobs.create_job(None, dataset_id=1, name=None, configuration={})
    statement = "INSERT INTO line (job_id, id, level, source, message, timestamp) VALUES (?, ?, 1, 'kernel', ?, ?)"
    with connection(database), database.atomic():
        rows = (
            (job.id, n, f"{{'loss': {1 / n:.6f}, 'epoch': {n / LINES:.4f}}}" if n % OF_THEM == 0 else PLAIN, n)
            for n in range(1, LINES + 1)
        )
        database.connection().cursor().executemany(statement, rows)
        Job.update(last_line=LINES).where(Job.id == job.id).execute()
    return int(job.id)


def seconds_of(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def bare_points(job: int) -> None:
    with connection(database):
        for name in NAMES:
            query = "SELECT step, value, timestamp, line FROM metric WHERE job_id = ? AND source = 0 AND name = ?"
            database.connection().cursor().execute(f"{query} ORDER BY step", (job, name)).fetchall()


def bare_lines(job: int) -> None:
    with connection(database):
        query = "SELECT id, level, source, message, timestamp FROM line WHERE job_id = ? ORDER BY job_id, id"
        for _ in database.connection().cursor().execute(query, (job,)):
            pass


def curves(url: str, job: int) -> None:
    """Ask for a job's curves until its log is read."""
    with support.connect(url) as client:
        while True:
            client.sendall(f"GET /api/v1/jobs/{job}/metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            answer = read_answer(client)
            assert answer.startswith(b"HTTP/1.1 200")
            if b'"complete":true' in answer:
                return


def slowest_hostile_line_ms() -> float:
    times = {line: min(seconds_of(lambda line=line: read_line(line)) for _ in range(20)) for line in HOSTILE}
    return max(times.values()) * 1000


def main() -> None:
    support.pin(support.CLIENT_CORE)
    print(support.machine())
    Row("a hostile line of 4 KiB, against the bound", slowest_hostile_line_ms(), 1, "≤ 1×", "ms").print()
    with tempfile.TemporaryDirectory() as name, support.valkey(Path(name)) as redis_url:
        url = f"sqlite:///{name}/logs.db"
        database.initialize(open_database(url))
        migrate(database, MIGRATIONS)
        with support.logs_service(url, redis_url) as service:
            ours, reference = store_points(service)
            Row(f"points/s stored, batches of {BATCH}", ours, reference, "≥ 0.5×", "points/s").print()
            job = fill_points()
            bare_points(job)
            reference = min(seconds_of(lambda: bare_points(job)) for _ in range(3))
            ours = min(seconds_of(lambda: curves(service, job)) for _ in range(3))
            Row("1,000 of 10⁶ points for each of 3 names", ours, reference, "≤ 1.5×", "s").print()
            logged = fill_lines()
            bare_lines(logged)
            reference = min(seconds_of(lambda: bare_lines(logged)) for _ in range(3))
            ours = seconds_of(lambda: curves(service, logged))
            Row("curves out of a log of 10⁶ lines, read the first time", ours, reference, "≤ 3×", "s").print()


if __name__ == "__main__":
    main()
