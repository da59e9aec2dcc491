"""Services and servers of the tests' own, to be killed at will."""

import contextlib
import os
import random
import signal
from dataclasses import dataclass

import psutil
import pytest
import redis

from run import parts
from run.settings import free_port
from tests.logs.faults.load import Load
from tests.support.services import start_service


class Process:
    """A part that is killed and started again on its port."""

    def __init__(self, start, part, running=None):
        self._start, self.part = start, part
        self.running = running or start(part)

    @property
    def pid(self):
        return self.running.process.pid

    @property
    def log(self):
        return self.running.log

    def kill(self):
        self.running.kill()

    def start(self):
        self.running = self._start(self.part)

    def signal(self, number):
        self.running.signal(number)

    def is_alive(self):
        return self.running.process.poll() is None


class Redis(Process):
    def __init__(self, start, folder, port):
        super().__init__(start, parts.valkey(os.environ.get("VALKEY_BIN"), folder, port))
        self.url = f"redis://127.0.0.1:{port}/0"

    def command(self, *words):
        with contextlib.closing(redis.Redis.from_url(self.url)) as client:
            return client.execute_command(*words)


@dataclass
class Settings:
    kind: str
    database_url: str
    redis: Redis


class Service(Process):
    def __init__(self, start, settings, app=None, **environ):
        self.settings, self.redis = settings, settings.redis
        environ = {"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis.url, **environ}
        self.url, running = start_service(start, "logs", environ, app)
        super().__init__(start, running.part, running)

    @property
    def workers(self):
        return psutil.Process(self.pid).children()

    def rss(self):
        return sum(worker.memory_info().rss for worker in self.workers)

    def connections(self):
        """How many connections from clients the workers hold."""
        return len(self._client_ports())

    def has_accepted(self, client):
        """Whether a worker holds a client's connection."""
        return client.getsockname()[1] in self._client_ports()

    def _client_ports(self):
        port, held = int(self.url.rpartition(":")[2]), []
        for worker in self.workers:
            with contextlib.suppress(psutil.NoSuchProcess):  # an older one, that a test before told to stop
                held += worker.net_connections("tcp")
        return [each.raddr.port for each in held if each.laddr.port == port and each.status != "LISTEN"]

    def kill_worker(self, choose):
        """Kill one worker outright, for the master to start another one."""
        choose.choice(self.workers).kill()


@pytest.fixture(scope="session")
def new_redis(start, tmp_path_factory):
    return lambda: Redis(start, tmp_path_factory.mktemp("redis"), free_port())


@pytest.fixture(scope="session")
def settings(new_database, database_kind, new_redis):
    return Settings(database_kind, new_database(database_kind), new_redis())


@pytest.fixture(scope="session")
def _shaken(start, settings):
    service = Service(start, settings)
    yield service
    service.kill()
    settings.redis.kill()


@pytest.fixture
def service(_shaken):
    """The service as it is deployed, with a Redis of its own, both running whatever the last test did to them."""
    if not _shaken.redis.is_alive():
        _shaken.redis.start()
    if not _shaken.is_alive():
        _shaken.start()
    return _shaken


@pytest.fixture(scope="session")
def hasty(start, settings):
    """The service with short deadlines, one worker and five connections to its database, on the same tables."""
    service = Service(start, settings, "tests.logs.faults.hasty", WEB_CONCURRENCY="1")
    yield service
    service.kill()


@pytest.fixture
def seed():
    """The number that a failed run is repeated with: SEED=… pytest …"""
    number = int(os.environ.get("SEED") or random.randrange(10**6))
    print(f"SEED={number}")
    return number


@pytest.fixture
def load(service, seed):
    """Start writers and readers on a new job."""
    return lambda **options: Load(service.url, seed, **options)


@pytest.fixture
def paused():
    """Stop processes in their tracks for a block."""

    @contextlib.contextmanager
    def paused(process):
        process.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            process.signal(signal.SIGCONT)

    return paused
