"""Lists of models: requests a second against MLflow's, a million models against a thousand; `python -m bench.listing`.

The million is filtered so that as many models match as in the thousand. ``--models`` takes fewer.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import tempfile
import time
import urllib.parse
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

from bench import registries, support
from bench.support import Row
from run.parts import StoreServer
from services.models.tables import MIGRATIONS, Model
from shared.database.connect import connection, open_database
from shared.database.migrations import migrate
from tests.support.many_models import fill_models

FEW = 1_000
MATCHING = 20
CONNECTIONS = 8
SECONDS = 8
REQUESTS = 200
FIRST = datetime(2020, 1, 1, tzinfo=UTC)
WANTED_COUNT_MS = 100
FIRST_PAGE = "/api/v1/models?base_model=bench&status=ready"
UNSELECTIVE = "/api/v1/models?status=ready&limit=1"


def fill(url: str, count: int) -> None:
    """Make a database of so many models, MATCHING of them with a base model of their own, evenly spread."""
    database = open_database(url)
    migrate(database, MIGRATIONS)
    with connection(database):
        fill_models(database, count, FIRST)
        chosen = [number * (count // MATCHING) + 1 for number in range(MATCHING)]
        Model.update(base_model="bench", status="ready").where(Model.id.in_(chosen)).execute(database)
        if url.startswith("postgresql"):
            database.execute_sql("VACUUM ANALYZE model")  # as its own autovacuum does
    database.close_all()


def milliseconds(service: str, path: str) -> float:
    """Return the median time of one request after the other over one connection."""
    client = http.client.HTTPConnection(*support.address(service))
    times = []
    for _ in range(REQUESTS):
        began = time.perf_counter()
        client.request("GET", path)
        answer = client.getresponse()
        body = answer.read()
        times.append(time.perf_counter() - began)
        assert answer.status == 200, body
    client.close()
    return statistics.median(times) * 1e3


def compare_sizes(kind: str, few_url: str, many_url: str, count: int, server: StoreServer) -> None:
    fill(few_url, FEW)
    fill(many_url, count)
    with registries.models(few_url, server) as few, registries.models(many_url, server) as many:
        reference, ours = milliseconds(few, FIRST_PAGE), milliseconds(many, FIRST_PAGE)
        Row(f"first page, filtered, of {count:,} models, {kind}; of {FEW:,}", ours, reference, "≤ 1.5×", "ms").print()
        counted = milliseconds(many, UNSELECTIVE)
        Row(f"count of nine in ten of {count:,}, {kind}", counted, WANTED_COUNT_MS, "≤ 1×", "ms").print()


def compare_with_mlflow(folder: Path, server: StoreServer) -> None:
    print(f"MLflow {registries.install_mlflow()}, {FEW:,} registered models, one worker")
    with registries.mlflow(folder, server, support.SERVER_CORE) as mlflow:
        for number in range(FEW):
            body = json.dumps({"name": f"Model {number}"}).encode()
            create = f"{mlflow}/api/2.0/mlflow/registered-models/create"
            request = urllib.request.Request(create, body, {"Content-Type": "application/json"})
            urllib.request.urlopen(request, timeout=30).close()
        search = f"{mlflow}/api/2.0/mlflow/registered-models/search?max_results=10"
        named = search + "&filter=" + urllib.parse.quote("name LIKE 'Model 1%'")
        references = [support.requests_per_second(url, CONNECTIONS, SECONDS) for url in (search, named)]
    with registries.models(f"sqlite:///{folder}/few.db", server, support.SERVER_CORE) as service:
        models = f"{service}/api/v1/models"
        urls = f"{models}?limit=10", f"{models}?base_model=base-7&status=ready&limit=10"
        for what, url, reference in zip(("list", "filter"), urls, references, strict=True):
            ours = support.requests_per_second(url, CONNECTIONS, SECONDS)
            Row(f"{what}, {CONNECTIONS} connections", ours, reference, "≥ 5×", "requests/s").print()


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--models", type=int, default=1_000_000)
    count = arguments.parse_args().models
    support.pin(support.CLIENT_CORE)
    print(support.machine())
    with tempfile.TemporaryDirectory() as name, registries.store(Path(name) / "store") as server:
        folder = Path(name)
        compare_sizes("SQLite", f"sqlite:///{folder}/few.db", f"sqlite:///{folder}/many.db", count, server)
        with support.postgres(folder / "postgres", "few", "many") as (few, many):
            compare_sizes("PostgreSQL", few, many, count, server)
        compare_with_mlflow(folder, server)


if __name__ == "__main__":
    main()
