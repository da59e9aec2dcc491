"""Models to test with, and a service of the tests' own whose store can be cut off."""

import os
import socket
import subprocess
import sys
import time
import uuid
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from services.models.tables import database
from shared.database.connect import connection, open_database
from tests.support.pipe import Pipe

ROOT = Path(__file__).parents[2]
MODELS = "/api/v1/models"


@pytest.fixture
def create(models):
    """Create a model from a few fields and return its record; its path is its own also in a shared store."""

    def create(**fields):
        defaults = {"name": "M", "base_model": "llama-3.2-3b", "storage_path": f"test-{uuid.uuid4().hex}"}
        answer = models.post(MODELS, json={**defaults, **fields})
        assert answer.status_code == 201, answer.text
        return answer.json()

    return create


@pytest.fixture
def upload(models):
    """Upload files, given by path, to a model."""

    def upload(model_id, files):
        for path, content in files.items():
            answer = models.put(f"{MODELS}/{model_id}/files/{path}", data=content)
            assert answer.status_code == 200, answer.text

    return upload


@pytest.fixture
def ready(models, create, upload):
    """Create a ready model of some files and return its record."""

    def ready(files, **fields):
        model = create(**fields)
        upload(model["ID"], files)
        answer = models.put(f"{MODELS}/{model['ID']}", json={"status": "ready"})
        assert answer.status_code == 200, answer.text
        return answer.json()

    return ready


@pytest.fixture
def begin(models, store_server):
    """Begin an upload in parts, its links signed for the store's own address, and return its record."""

    def begin(model, size, path="big.bin", **fields):
        return models.post(
            f"{MODELS}/{model['ID']}/uploads",
            json={"path": path, "size": size, **fields},
            headers={"X-Forwarded-Proto": "http", "Host": urlsplit(store_server.endpoint).netloc},
        ).json()

    return begin


def send_parts(record, content):
    """PUT the parts that a record of an upload has links to, and return what completes it."""
    sent = []
    for part in record["parts"]:
        start = (part["number"] - 1) * record["part_size"]
        answer = requests.put(part["url"], data=content[start : start + record["part_size"]], timeout=60)
        assert answer.status_code == 200, answer.text
        sent.append({"number": part["number"], "etag": answer.headers["ETag"]})
    return sent


@contextmanager
def tables(url):
    """Use the service's tables from within the tests, during the block; gives the database itself."""
    opened = open_database(url)
    database.initialize(opened)
    try:
        with connection(database):
            yield opened
    finally:
        opened.close_all()


@pytest.fixture(name="tables")
def tables_fixture():
    return tables


def free_port():
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Own:
    """The tests' own service, at ``url``; its objects lie below paths that nobody else uses."""

    def __init__(self, url, pipe, env):
        self.url, self.pipe, self.env = url, pipe, env

    def call(self, method, path="", **kwargs):
        return requests.request(method, f"{self.url}{MODELS}{path}", timeout=60, **kwargs)

    def upload(self, model, path, content, store_url, **fields):
        """Upload a file in parts whose links are signed for the store's own address."""
        headers = {"X-Forwarded-Proto": "http", "Host": store_url.removeprefix("http://")}
        body = {"path": path, "size": len(content), **fields}
        record = self.call("POST", f"/{model['ID']}/uploads", json=body, headers=headers).json()
        parts = {"parts": send_parts(record, content)}
        return self.call("POST", f"/{model['ID']}/uploads/{record['upload_id']}/complete", json=parts)

    def model(self, **fields):
        fields = {"name": "Own", "base_model": "b", "storage_path": f"own-{uuid.uuid4().hex}", **fields}
        answer = self.call("POST", json=fields)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def ready(self, files):
        """Create a ready model of some files; its record and the path of its named URL."""
        model = self.model()
        for path, content in files.items():
            assert self.call("PUT", f"/{model['ID']}/files/{path}", data=content).status_code == 200
        assert self.call("PUT", f"/{model['ID']}", json={"status": "ready"}).status_code == 200
        day = model["created_at"][:10].replace("-", "")
        return model, f"/{model['ID']}/download/model-{model['ID']}-{day}.zip"

    @contextmanager
    def another(self, **environ):
        """Run the service once more during the block, over the same tables and store; gives it and its master."""
        url, process = launch("services.models.app", self.env | environ)
        try:
            yield Own(url, self.pipe, self.env), process
        finally:
            process.terminate()
            process.wait(timeout=20)

    @contextmanager
    def checksums(self, **environ):
        """Run a checksum process during the block; it has to end within two seconds of SIGTERM."""
        command = [sys.executable, "-m", "services.models.checksums"]
        process = subprocess.Popen(command, cwd=ROOT, env=self.env | environ)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                assert process.wait(timeout=2) == 0


def launch(app, env):
    """Start a service and wait until it is ready; its address and its process."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", f"{app}:create_app()"]
    process = subprocess.Popen(command, cwd=ROOT, env=env | {"PORT": str(port)})
    url = f"http://127.0.0.1:{port}"
    until(lambda: _answers(f"{url}/readyz"))
    return url, process


@pytest.fixture(scope="session")
def start_own(bucket, store_server, tmp_path_factory):
    """Start a service whose store can be cut off; ``app`` is the module that makes it."""
    credentials = bucket.client._provider.retrieve()
    processes = []

    def start_own(app, **environ):
        pipe = Pipe(bucket.client._base_url.host)
        env = os.environ | {
            "DATABASE_URL": f"sqlite:///{tmp_path_factory.mktemp('own')}/models.db",
            "S3_ENDPOINT": f"http://127.0.0.1:{pipe.port}",
            "S3_REGION": "us-east-1",
            "S3_ACCESS_KEY": credentials.access_key,
            "S3_SECRET_KEY": credentials.secret_key,
            **store_server.parts_environ,
            "LOGS_URL": f"http://127.0.0.1:{free_port()}",
            "GATEWAY_URL": "http://gateway.test:8080",
            **environ,
        }
        env.pop("PUBLIC_URL", None)
        subprocess.run([sys.executable, "-m", "services.models.setup"], cwd=ROOT, env=env, check=True)
        url, process = launch(app, env)
        processes.append(process)
        return Own(url, pipe, env)

    yield start_own
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait(timeout=20)


@pytest.fixture(scope="session")
def own(start_own):
    return start_own("services.models.app")


@pytest.fixture(scope="session")
def hasty(start_own):
    return start_own("tests.models.hasty", WEB_CONCURRENCY="1")


def _answers(url):
    try:
        return requests.get(url, timeout=2).status_code == 200
    except requests.RequestException:
        return False


def until(happens, seconds=30):
    """Wait until ``happens()`` is true and return what it answered."""
    end = time.monotonic() + seconds
    while not (answer := happens()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)
    return answer


@pytest.fixture(name="send_parts")
def send_parts_fixture():
    return send_parts


@pytest.fixture(name="until")
def until_fixture():
    return until
