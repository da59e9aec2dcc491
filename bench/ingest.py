"""Lines stored a second, against the database without us and Flask without a database; `python -m bench.ingest`."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from pathlib import Path

from bench import support
from bench.delivery import LINE, create_job, read_answer
from bench.support import Row
from run import parts
from run.parts import Part
from run.settings import free_port
from services.logs.tables import MIGRATIONS, Job, Line, database
from shared.database.connect import connection, open_database
from shared.database.migrations import migrate

BATCH = 1_000
BATCHES = 100
ROUNDS = 5
CONNECTIONS = 32
SECONDS = 8

CONSTANT = """
from flask import Flask, jsonify, request
app = Flask(__name__)

@app.post("/lines")
def create_line():
    request.get_json()
    return jsonify({"ID": 1}), 201
"""


def bare_inserts(url: str) -> float:
    """Return the lines a second of one executemany and one commit for each batch: the same rows, no HTTP, no checks."""
    database.initialize(open_database(url))
    migrate(database, MIGRATIONS)
    mark = database.param
    statement = f"INSERT INTO line (job_id, id, level, source, message, timestamp) VALUES ({', '.join([mark] * 6)})"
    rates = []
    with connection(database):
        for job in range(1, ROUNDS + 1):
            began = time.perf_counter()
            for batch in range(BATCHES):
                first = batch * BATCH + 1
                rows = [(job, first + n, 1, "kernel", LINE, 1_700_000_000_000_000) for n in range(BATCH)]
                with database.atomic():
                    database.connection().cursor().executemany(statement, rows)
            rates.append(BATCH * BATCHES / (time.perf_counter() - began))
        Line.delete().execute()
        Job.delete().execute()
    return statistics.median(rates)


def batches_over_http(url: str) -> float:
    """Return the lines a second of batches posted one after the other."""
    job = create_job(url)
    body = json.dumps({"logs": [{"level": "info", "message": LINE, "source": "kernel"}] * BATCH}).encode()
    head = f"POST /api/v1/jobs/{job}/logs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    rates = []
    with support.connect(url) as client:
        for _ in range(ROUNDS):
            began = time.perf_counter()
            for _ in range(BATCHES):
                client.sendall(request)
                assert read_answer(client).startswith(b"HTTP/1.1 201")
            rates.append(BATCH * BATCHES / (time.perf_counter() - began))
    return statistics.median(rates)


def posts_per_second(url: str, folder: Path) -> float:
    """Return what wrk reaches with single lines over 32 connections; it must be answered 201 each time."""
    script = folder / "post.lua"
    body = json.dumps({"level": "info", "message": LINE, "source": "kernel"})
    script.write_text(f"wrk.method = 'POST'\nwrk.body = [[{body}]]\nwrk.headers['Content-Type'] = 'application/json'\n")
    return support.requests_per_second(url, CONNECTIONS, SECONDS, "-s", str(script))


def constant_app(folder: Path) -> Part:
    (folder / "constant.py").write_text(CONSTANT)
    port = free_port()
    part = parts.gunicorn("logs", {"WEB_CONCURRENCY": "1"}, port, ())
    command = [*part.command[:-1], "--chdir", str(folder), "constant:app"]
    return Part("constant", command, part.environ, ready_url=f"tcp://127.0.0.1:{port}")


def main() -> None:
    support.pin(support.CLIENT_CORE)
    print(support.machine())
    with tempfile.TemporaryDirectory() as name, support.valkey(Path(name)) as redis_url:
        folder = Path(name)
        with support.postgres(folder / "postgres", "bare", "ours") as (bare, ours_url):
            for kind, reference_url, url in (
                ("SQLite", f"sqlite:///{folder}/bare.db", f"sqlite:///{folder}/ours.db"),
                ("PostgreSQL", bare, ours_url),
            ):
                support.pin(support.SERVER_CORE)
                reference = bare_inserts(reference_url)
                support.pin(support.CLIENT_CORE)
                with support.logs_service(url, redis_url) as service:
                    ours = batches_over_http(service)
                Row(f"lines/s stored in batches of {BATCH:,}, {kind}", ours, reference, "≥ 0.6×", "lines/s").print()
        constant = constant_app(folder)
        assert constant.ready_url is not None
        with support.running(constant):
            reference = posts_per_second(constant.ready_url.replace("tcp:", "http:") + "/lines", folder)
        with support.logs_service(f"sqlite:///{folder}/single.db", redis_url) as service:
            ours = posts_per_second(f"{service}/api/v1/jobs/{create_job(service)}/logs", folder)
        Row(f"single-line POSTs/s, {CONNECTIONS} connections, durable", ours, reference, "≥ 0.6×", "POSTs/s").print()


if __name__ == "__main__":
    main()
