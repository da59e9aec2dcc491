"""What an evaluation adds to its inference server's own time, in time, CPU and memory; `python -m bench.evaluation`.

The server answers every request after 50 ms. The worker runs on a core of its own and is seen through its tables.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from bench import support
from bench.support import Row
from run import parts
from run.parts import StoreServer
from run.settings import free_port
from services.evaluations.tables import MIGRATIONS, Evaluation, Example, database
from shared.database.connect import connection, open_database
from shared.database.migrations import migrate
from shared.s3.bucket import Bucket
from shared.s3.client import connect

ROWS = 2_000
IN_FLIGHT = 16
ANSWER_S = 0.05
EARLY_S = 0.002
"""The server's timer is that much early and the rest is waited out, or 50 ms would be 51."""
FEW, MANY = 1_000, 1_000_000
LEFT = 100
"""Rows of those that the memory is measured with that have no answer yet; the others were answered before."""

LABELS = ("positive", "negative", "neutral")
BLOCK = 50_000


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    body = json.dumps({"choices": [{"message": {"role": "assistant", "content": "positive"}}]}).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            began = time.monotonic()
            request = await reader.readuntil(b"\r\n\r\n")
            began = time.monotonic()
            size = int(request.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            await reader.readexactly(size)
            await asyncio.sleep(ANSWER_S - EARLY_S - (time.monotonic() - began))
            while time.monotonic() - began < ANSWER_S:
                await asyncio.sleep(0)
            writer.write(head + body)
    writer.close()


@contextlib.contextmanager
def answering() -> Iterator[str]:
    """Run the inference server in a thread of this process, which does nothing else meanwhile; gives its address."""
    loop = asyncio.new_event_loop()
    port = free_port()

    async def serve() -> None:
        await asyncio.start_server(_answer, "127.0.0.1", port)

    loop.run_until_complete(serve())
    threading.Thread(target=loop.run_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        loop.call_soon_threadsafe(loop.stop)


@contextlib.contextmanager
def store_running(folder: Path) -> Iterator[StoreServer]:
    server = StoreServer(f"http://127.0.0.1:{free_port()}", "key", "secret", "parts", "parts-secret")
    folder.mkdir()
    port = functools.cache(lambda name: free_port())
    with support.running(parts.seaweed(None, folder, server, port), support.CLIENT_CORE):
        yield server


@contextlib.contextmanager
def worker_running(environ: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run a worker on the servers' core, from when it is ready to take work."""
    process = subprocess.Popen(
        [sys.executable, "-m", "services.evaluations.worker"],
        cwd=parts.ROOT,
        env=os.environ | environ,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: support.pin(support.SERVER_CORE),
    )
    assert process.stderr is not None
    while "ready" not in process.stderr.readline():
        if process.poll() is not None:
            raise SystemExit("the worker did not start")
    threading.Thread(target=process.stderr.read, daemon=True).start()
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def cpu_s(pid: int) -> float:
    """Return the processor time of a process, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) / 1024


def make_set(bucket: Bucket, rows: int) -> str:
    """Put a test set into the bucket and return its path."""
    lines = (
        json.dumps({"input": f"row {row}: what do you make of it?", "expected": LABELS[row % 3]}) for row in range(rows)
    )
    body = "\n".join(lines).encode()
    bucket.put(f"{rows}.jsonl", io.BytesIO(body))
    return f"datasets/{rows}.jsonl"


def evaluate(path: str, answered: int = 0) -> int:
    """Begin an evaluation, so many of whose rows have their answers already, and return its number."""
    now = datetime.now(UTC)
    names = {"base_model_name": "base", "fine_tuned_name": "tuned", "fine_tuned_served_name": "tuned"}
    columns = ("evaluation_id", "row", "input", "expected", "base_model_output", "base_model_correct", "base_model_ms")
    columns += ("fine_tuned_output", "fine_tuned_correct", "fine_tuned_ms", "done", "winner")
    with connection(database):
        with database.atomic():
            created = Evaluation.create(
                model_id=1, test_set_path=path, status="held back", created_at=now, done=answered, **names
            )
        for start in range(0, answered, BLOCK):
            with database.atomic():
                rows = [
                    (created.id, row, "input", LABELS[row % 3], "positive", row % 3 == 0, 50.0, "negative")
                    + (row % 3 == 1, 51.5, True, "tie")
                    for row in range(start, min(start + BLOCK, answered))
                ]
                database.insert_rows(Example, columns, rows)
        with database.atomic():
            Evaluation.update(status="pending").where(Evaluation.id == created.id).execute()
    return int(created.id)


def ended(number: int) -> Evaluation:
    """Wait until an evaluation is over and return it."""
    while True:
        with connection(database):
            found = Evaluation.get(Evaluation.id == number)
        if found.status == "failed":
            raise SystemExit(found.error)
        if found.status == "completed":
            return found
        time.sleep(0.5)


def time_and_cpu(kind: str, path: str, environ: dict[str, str]) -> None:
    requests = 2 * ROWS
    with worker_running(environ) as worker:
        before = cpu_s(worker.pid)
        found = ended(evaluate(path))
        used = (cpu_s(worker.pid) - before) * 1000 / requests
    assert found.started_at is not None
    assert found.results["n"] == ROWS
    took = (found.completed_at - found.started_at).total_seconds()
    ideal = requests * ANSWER_S / IN_FLIGHT
    Row(f"{ROWS:,} rows × 2 models, {IN_FLIGHT} in flight, {kind}", took, ideal, "≤ 1.1×", "s").print()
    Row(f"the worker's CPU for a request, {kind}", used, 2, "≤ 1×", "ms").print()


def memory(kind: str, few: str, many: str, environ: dict[str, str]) -> None:
    peaks = []
    for path, rows in ((few, FEW), (many, MANY)):
        number = evaluate(path, rows - LEFT)
        with worker_running(environ) as worker:
            assert ended(number).results["n"] == rows
            peaks.append(peak_mib(worker.pid))
    Row(f"the worker's peak memory, {MANY:,} rows against {FEW:,}, {kind}", peaks[1], peaks[0], "≤ 1.2×", "MiB").print()


def main() -> None:
    support.pin(support.CLIENT_CORE)
    print(support.machine())
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        redis_url = stack.enter_context(support.valkey(folder / "redis"))
        server = stack.enter_context(store_running(folder / "store"))
        (postgres,) = stack.enter_context(support.postgres(folder / "postgres", "evaluations"))
        environ = {
            "REDIS_URL": redis_url,
            "S3_ENDPOINT": server.endpoint,
            "S3_REGION": "us-east-1",
            "S3_ACCESS_KEY": server.access_key,
            "S3_SECRET_KEY": server.secret_key,
            "MODELS_URL": "http://127.0.0.1:9",
            "INFERENCE_URL": stack.enter_context(answering()),
            "INFERENCE_CONCURRENCY": str(IN_FLIGHT),
        }
        settings = type("Settings", (), {name.lower(): value for name, value in environ.items()})
        bucket = Bucket(connect(settings), "datasets")
        bucket.create()
        sets = {rows: make_set(bucket, rows) for rows in (FEW, ROWS, MANY)}
        for kind, url in (("SQLite", f"sqlite:///{folder}/evaluations.db"), ("PostgreSQL", postgres)):
            database.initialize(open_database(url))
            migrate(database, MIGRATIONS)
            own = environ | {"DATABASE_URL": url}
            time_and_cpu(kind, sets[ROWS], own)
            memory(kind, sets[FEW], sets[MANY], own)


if __name__ == "__main__":
    main()
