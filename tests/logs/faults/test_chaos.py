"""Churn and faults drawn by lot, for minutes; `make chaos SEED=… MINUTES=…` draws the same again. Scenario 27."""

import contextlib
import os
import random
import signal
import socket
import sqlite3
import struct
import time
from dataclasses import dataclass

import psutil
import psycopg
import pytest
import requests

from tests.logs.faults.conftest import Service, Settings
from tests.logs.faults.load import Load, create_job, end_job, open_raw
from tests.support.databases import on
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.soak, on("sqlite", "postgresql")]

MINUTES = float(os.environ.get("MINUTES") or 10)
FAULTS_A_ROUND = 8


@pytest.fixture
def shaken(start, new_database, database_kind, new_redis, request):
    """The service as it is deployed, alone on its database and its Redis."""
    postgres = request.getfixturevalue("own_postgres") if database_kind == "postgresql" else None
    url = str(postgres.get_uri()) if postgres else new_database(database_kind)
    service = Service(start, Settings(database_kind, url, new_redis()), "tests.logs.faults.watched")
    yield Shaken(service, postgres)
    service.kill()
    service.redis.kill()


@dataclass
class Shaken:
    """What is shaken, and all that may befall it."""

    service: Service
    postgres: object

    @property
    def faults(self):
        of_database = [self.lock_sqlite] if self.postgres is None else [self.restart_postgres, self.drop_connections]
        return [
            self.kill_worker,
            self.kill_all,
            self.restart,
            self.reload,
            self.pause_worker,
            self.drop_subscribers,
            self.kill_redis,
            self.pause_redis,
            *of_database,
        ]

    def kill_worker(self, choose):
        self.service.kill_worker(choose)

    def kill_all(self, choose):
        self.service.kill()
        time.sleep(choose.uniform(0, 0.5))
        self.service.start()

    def restart(self, choose):
        self.service.signal(signal.SIGTERM)
        wait_until(lambda: not self.service.is_alive(), 30)
        self.service.start()

    def reload(self, choose):
        self.service.running.process.send_signal(signal.SIGHUP)

    def pause_worker(self, choose):
        pause_s = choose.uniform(0.2, 2)
        worker = choose.choice(self.service.workers)
        with contextlib.suppress(psutil.NoSuchProcess):  # one that a reload has ended meanwhile
            worker.suspend()
            time.sleep(pause_s)
            worker.resume()

    def drop_subscribers(self, choose):
        self.service.redis.command("CLIENT", "KILL", "TYPE", "pubsub")

    def kill_redis(self, choose):
        self.service.redis.kill()
        time.sleep(choose.uniform(0, 2))
        self.service.redis.start()

    def pause_redis(self, choose):
        self.service.redis.signal(signal.SIGSTOP)
        time.sleep(choose.uniform(0.2, 3))
        self.service.redis.signal(signal.SIGCONT)

    def lock_sqlite(self, choose):
        path = self.service.settings.database_url.removeprefix("sqlite:///")
        with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=10)) as other:
            other.execute("BEGIN IMMEDIATE")
            time.sleep(choose.uniform(0.2, 3))
            other.execute("ROLLBACK")

    def restart_postgres(self, choose):
        self.postgres.stop()
        time.sleep(choose.uniform(0, 1))
        self.postgres.start()

    def drop_connections(self, choose):
        self.query_postgres("SELECT pg_terminate_backend(pid)")

    def query_postgres(self, what):
        others = "FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        with psycopg.connect(self.postgres.get_uri(), autocommit=True) as connection:
            return connection.execute(f"{what} {others}").fetchone()

    def at_rest(self):
        """What the fullest worker holds once every client's stream is over, and how many connections to PostgreSQL."""
        before, now = None, self._census()
        deadline = time.monotonic() + 30
        while now != before:
            assert time.monotonic() < deadline, (before, now)
            time.sleep(2)  # the streams of those who vanished end when they are next written to
            before, now = now, self._census()
        return now | {"MiB": max(worker.memory_info().rss for worker in self.service.workers) >> 20}

    def _census(self):
        greenlets = {}
        while set(greenlets) < {worker.pid for worker in self.service.workers}:
            with contextlib.suppress(requests.ConnectionError):
                counted = requests.get(f"{self.service.url}/greenlets", headers={"Connection": "close"}, timeout=10)
                greenlets[counted.json()["pid"]] = counted.json()["greenlets"]
        return {
            "greenlets": max(greenlets[worker.pid] for worker in self.service.workers),
            "files": max(worker.num_fds() for worker in self.service.workers),
            "backends": self.query_postgres("SELECT count(*)")[0] if self.postgres else 0,
        }


def churn(service, choose, clients=200):
    """Clients come, read a little or nothing, and hang up in one way or another."""
    job = create_job(service.url)
    raws = []
    for number in range(clients):
        if not number % 20:
            body = {"logs": [{"message": "x" * choose.randint(0, 2000)}] * 50}
            assert requests.post(f"{service.url}/api/v1/jobs/{job}/logs", json=body, timeout=10).status_code == 201
        raw = open_raw(service.url, f"/api/v1/jobs/{job}/logs", receive_buffer=choose.choice([None, 4096]))
        raws.append(raw)
        if choose.random() < 0.5:
            raw.recv(choose.randint(1, 5000))
    for raw in raws:
        if choose.random() < 0.5:  # RST instead of FIN
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raw.close()
    end_job(service.url, job)


def test_chaos(shaken, seed):
    """Whatever happens in whatever order: nothing lost, nothing twice, and nothing held once it is over."""
    choose = random.Random(seed)
    began = time.monotonic()

    def say(*what):
        print(f"{time.monotonic() - began:7.1f} s ", *what, flush=True)

    churn(shaken.service, choose)
    first = shaken.at_rest()
    say("at rest", first)
    rounds = 0
    while time.monotonic() - began < MINUTES * 60:
        rounds += 1
        run = Load(shaken.service.url, f"{seed} {rounds}", writers=4, readers=8)
        for _ in range(FAULTS_A_ROUND):
            time.sleep(choose.uniform(0.2, 2))
            fault = choose.choice(shaken.faults)
            say(fault.__name__)
            fault(choose)
            run.check()
        rows = run.finish(end=choose.random() < 0.5, patience_s=60)
        end_job(run.url, run.job)
        for reader in run.readers:
            reader.join(20)
        churn(shaken.service, choose)
        now = shaken.at_rest()
        say("round", rounds, "with", len(rows), "lines for each of 8 readers; at rest", now)
        assert now["greenlets"] <= first["greenlets"] + 5
        assert now["files"] <= first["files"] + 40
        assert now["MiB"] <= first["MiB"] + 40
        assert now["backends"] <= 50
        assert "Traceback" not in shaken.service.log
