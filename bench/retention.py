"""What a push takes while expired logs are deleted, against the same without; `python -m bench.retention`.

200 single-line POSTs a second at a steady rate, to two workers on the servers' core. Then 600,000 lines of other jobs
expire, and the same goes on until they are gone.
"""

from __future__ import annotations

import json
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import requests

from bench import support
from bench.delivery import create_job
from bench.support import Row

LINES_A_BATCH = 10_000
JOBS, BATCHES = 6, 10
PUSHES_PER_S = 200
PUBLISHERS = 4
WITHOUT_S = 15.0
GOAL = "≤ 2×"
LONG_AGO = 1_500_000_000_000_000
APP = "bench.eager_retention:create_app()"


def fill(url: str) -> list[int]:
    """Make jobs that have ended, and return their numbers."""
    lines = json.dumps({"logs": [{"message": "loss 0.4312, 8123 tokens/s"}] * LINES_A_BATCH}).encode()
    made = [create_job(url) for _ in range(JOBS)]
    for job in made:
        for _ in range(BATCHES):
            headers = {"Content-Type": "application/json"}
            requests.post(f"{url}/api/v1/jobs/{job}/logs", data=lines, headers=headers, timeout=60).raise_for_status()
        for status in ("running", "completed"):
            requests.put(f"{url}/api/v1/jobs/{job}", json={"status": status}, timeout=60).raise_for_status()
    return made


def pushes(url: str, is_over: Callable[[], bool]) -> list[float]:
    """Push until it is over, and return the milliseconds that each push took from when it was due."""
    path, found = f"{url}/api/v1/jobs/{create_job(url)}/logs", []

    def publish() -> None:
        due = time.monotonic()
        with requests.Session() as session:
            while not is_over():
                due += PUBLISHERS / PUSHES_PER_S
                time.sleep(max(0.0, due - time.monotonic()))
                session.post(path, json={"message": "loss 0.4312"}, timeout=60).raise_for_status()
                found.append((time.monotonic() - due) * 1000)

    publishers = [threading.Thread(target=publish) for _ in range(PUBLISHERS)]
    for publisher in publishers:
        publisher.start()
    for publisher in publishers:
        publisher.join()
    return found


def main() -> None:
    support.pin(support.CLIENT_CORE)
    print(support.machine())
    with tempfile.TemporaryDirectory() as name, support.valkey(Path(name)) as redis_url:
        file = Path(name) / "logs.db"
        environ = {"LOG_RETENTION_DAYS": "30", "WEB_CONCURRENCY": "2"}
        with support.logs_service(f"sqlite:///{file}", redis_url, APP, **environ) as url:
            jobs = fill(url)
            ends = time.monotonic() + WITHOUT_S
            without = pushes(url, lambda: time.monotonic() > ends)
            database = sqlite3.connect(file, timeout=10, check_same_thread=False)
            some = ", ".join(map(str, jobs))
            with database:
                database.execute(f"UPDATE job SET completed_at = {LONG_AGO} WHERE id IN ({some})")
            swept = threading.Event()

            def watch() -> None:
                while database.execute(f"SELECT 1 FROM line WHERE job_id IN ({some}) LIMIT 1").fetchone():
                    time.sleep(0.5)
                swept.set()

            began = time.monotonic()
            threading.Thread(target=watch).start()
            during = pushes(url, swept.is_set)
            lines = JOBS * BATCHES * LINES_A_BATCH
            print(f"{lines:,} lines went in {time.monotonic() - began:.0f} s, {len(during):,} pushes meanwhile")
            database.close()
    for label, pick in (("p50", 50), ("p99", 99)):
        values = [statistics.quantiles(each, n=100)[pick - 1] for each in (during, without)]
        Row(f"{label} of a push while expired logs go", *values, GOAL if pick == 99 else "", "ms").print()


if __name__ == "__main__":
    main()
