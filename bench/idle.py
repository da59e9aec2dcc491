"""What an idle stream costs in memory, against nchan; `python -m bench.idle`.

Proportional set size of the worker and its master, with 10,000 open streams less with none, by stream.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from bench import support
from bench.delivery import create_job
from bench.support import Row

STREAMS = 10_000


def measure(url: str, path: str, pid: int) -> float:
    """Return KiB a stream."""
    before = support.memory_kib(pid)
    clients = support.open_streams(url, path, STREAMS)
    for client in clients:
        client.recv(4096)
    time.sleep(2)
    grown = support.memory_kib(pid) - before
    for client in clients:
        client.close()
    return grown / STREAMS


def main() -> None:
    support.pin(support.CLIENT_CORE)
    print(support.machine())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with support.nchan_running(folder) as (url, process):
            reference = measure(url, "/sub", process.pid)
        database = f"sqlite:///{folder}/logs.db"
        with support.valkey(folder) as redis_url, support.logs_running(database, redis_url) as (url, process):
            ours = measure(url, f"/api/v1/jobs/{create_job(url)}/logs", process.pid)
    Row(f"memory of an idle stream, {STREAMS:,} streams", ours, reference, "≤ 2.5×", "KiB").print()


if __name__ == "__main__":
    main()
