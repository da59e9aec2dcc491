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
import random
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
from services.evaluations.scoring import rules
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

FOR_SCORING = 300
"""Rows of an answer and an expected text of a hundred words, that each scorer reads."""
A_SECOND = 10
LIMITED_ROWS = 100
"""Rows that a server answers which refuses all beyond ten requests in each second of the clock."""

LABELS = ("positive", "negative", "neutral")
BLOCK = 50_000


class _Limit:
    """Counts the requests of each second of the clock, and refuses those beyond the limit, if there is one."""

    def __init__(self) -> None:
        self.a_second: int | None = None
        self.answered_at: list[float] = []
        self._second, self._count = 0, 0

    def refuses(self) -> bool:
        now = time.monotonic()
        self._count = self._count + 1 if int(now) == self._second else 1
        self._second = int(now)
        if self.a_second is not None and self._count > self.a_second:
            return True
        self.answered_at.append(now)
        return False


_LIMIT = _Limit()
_REFUSED = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"


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
            if _LIMIT.refuses():
                writer.write(_REFUSED)
                continue
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


def evaluate(path: str, answered: int = 0, **how: object) -> int:
    """Begin an evaluation, so many of whose rows have their answers already, and return its number."""
    now = datetime.now(UTC)
    names = {"base_model_name": "base", "fine_tuned_name": "tuned", "fine_tuned_served_name": "tuned"}
    columns = ("evaluation_id", "row", "input", "expected", "base_model_output", "base_model_correct", "base_model_ms")
    columns += ("fine_tuned_output", "fine_tuned_correct", "fine_tuned_ms", "done", "winner")
    with connection(database):
        with database.atomic():
            created = Evaluation.create(
                model_id=1, test_set_path=path, status="held back", created_at=now, done=answered, **names, **how
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


def time_and_cpu(kind: str, path: str, environ: dict[str, str], **how: object) -> None:
    requests = 2 * ROWS
    with worker_running(environ) as worker:
        before = cpu_s(worker.pid)
        found = ended(evaluate(path, **how))
        used = (cpu_s(worker.pid) - before) * 1000 / requests
    assert found.started_at is not None
    assert found.results["n"] == ROWS
    took = (found.completed_at - found.started_at).total_seconds()
    ideal = requests * ANSWER_S / IN_FLIGHT
    Row(f"{ROWS:,} rows × 2 models, {IN_FLIGHT} in flight, {kind}", took, ideal, "≤ 1.1×", "s").print()
    Row(f"the worker's CPU for a request, {kind}", used, 0.5, "≤ 1×", "ms").print()


def memory(kind: str, few: str, many: str, environ: dict[str, str]) -> None:
    peaks = []
    for path, rows in ((few, FEW), (many, MANY)):
        number = evaluate(path, rows - LEFT)
        with worker_running(environ) as worker:
            assert ended(number).results["n"] == rows
            peaks.append(peak_mib(worker.pid))
    Row(f"the worker's peak memory, {MANY:,} rows against {FEW:,}, {kind}", peaks[1], peaks[0], "≤ 1.2×", "MiB").print()


def scorers() -> None:
    """Print what each scorer's CPU is for a row of two answers."""
    draw = random.Random(0)
    words = [f"word{number}" for number in range(500)]
    texts = [" ".join(draw.choices(words, k=100)) for _ in range(2 * FOR_SCORING)]
    pairs = list(zip(texts[::2], texts[1::2], strict=True))
    parameters = {"regex": {"pattern": r"(word1\d\d) word\d+"}}
    for rule in rules.DESCRIPTIONS:
        score = rules.make_score(rule, parameters.get(rule, {}))
        began = time.process_time()
        for answer, expected in pairs:
            score(answer, expected)
            score(expected, expected)
        used = (time.process_time() - began) * 1000 / FOR_SCORING
        goal = "≤ 2×" if rule == "chrf" else "≤ 1×"
        Row(f"the CPU of scoring a row by {rule}, two answers of 100 words", used, 1, goal, "ms").print()


def limited(path: str, environ: dict[str, str]) -> None:
    """Print the rate at which a server is asked that refuses all beyond its limit, and that no row is lost to it."""
    _LIMIT.a_second = A_SECOND
    _LIMIT.answered_at.clear()
    with worker_running(environ):
        found = ended(evaluate(path))
    _LIMIT.a_second = None
    assert found.results["n"] == LIMITED_ROWS
    assert not any(found.results["errors"].values())
    answered = _LIMIT.answered_at
    rate = (len(answered) - 1) / (answered[-1] - answered[0])
    Row(f"requests a second of a server that refuses all beyond {A_SECOND}", rate, A_SECOND, "≥ 0.9×", "/s").print()


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
        sets = {rows: make_set(bucket, rows) for rows in (LIMITED_ROWS, FEW, ROWS, MANY)}
        scorers()
        for kind, url in (("SQLite", f"sqlite:///{folder}/evaluations.db"), ("PostgreSQL", postgres)):
            database.initialize(open_database(url))
            migrate(database, MIGRATIONS)
            own = environ | {"DATABASE_URL": url}
            time_and_cpu(kind, sets[ROWS], own)
            if kind == "SQLite":
                template = {"template": "{% if input %}Classify: {{ input | trim }}{% endif %}"}
                time_and_cpu(f"{kind}, a template", sets[ROWS], own, prompt=template)
                limited(sets[LIMITED_ROWS], own)
            memory(kind, sets[FEW], sets[MANY], own)


if __name__ == "__main__":
    main()
