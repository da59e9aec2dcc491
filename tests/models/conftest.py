"""Models to test with, and a service of the tests' own whose store can be cut off."""

import io
import os
import subprocess
import sys
import uuid
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from run.readiness import answers
from run.settings import free_port
from services.models.tables import database
from shared.database.connect import connection, open_database
from shared.s3.bucket import Bucket
from shared.s3.client import S3Settings, connect
from shared.settings import load
from tests.support.pipe import Pipe
from tests.support.services import start_service
from tests.support.waiting import wait_until

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


class Own:
    """The tests' own service, at ``url``; its objects lie below paths that nobody else uses."""

    def __init__(self, start, url, pipe, environ):
        self._start, self.url, self.pipe, self.environ = start, url, pipe, environ

    def call(self, method, path="", **kwargs):
        return requests.request(method, f"{self.url}{MODELS}{path}", timeout=60, **kwargs)

    def hub(self, method, path, **kwargs):
        """Call the Hub API, which lies at the root."""
        return requests.request(method, self.url + path, timeout=60, allow_redirects=False, **kwargs)

    def bucket_put(self, model, paths):
        """Put a file of one byte at each path past the service, which knows no checksum of it."""
        bucket = Bucket(connect(load(S3Settings, self.environ)), "models")
        for path in paths:
            bucket.put(f"{model['storage_path']}/{path}", io.BytesIO(b"x"))

    def wait_for_sha(self, model):
        """Wait until the checksum process has read every file, and return the repository's answer."""
        return wait_until(lambda: answer if (answer := self.hub("GET", f"/api/models/{model['repo_id']}")).ok else None)

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
    def another(self, app=None, **environ):
        """Run the service, or an ``app`` in its place, once more during the block, over the same tables and store.

        Gives it and its master.
        """
        url, running = start_service(self._start, "models", self.environ | environ, app)
        try:
            yield Own(self._start, url, self.pipe, self.environ), running.process
        finally:
            running.stop()

    @contextmanager
    def checksums(self, **environ):
        """Run a checksum process during the block; it has to end in order at SIGTERM."""
        command = [sys.executable, "-m", "services.models.checksums"]
        port = free_port()
        own = {"METRICS_PORT": str(port)}
        process = subprocess.Popen(command, cwd=ROOT, env=os.environ | self.environ | own | environ)
        try:
            # Until its own code has begun SIGTERM ends it at once.
            wait_until(lambda: process.poll() is not None or answers(f"http://127.0.0.1:{port}/metrics"))
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    assert process.wait(timeout=20) == 0
                finally:
                    process.kill()
                    process.wait()


@pytest.fixture(scope="session")
def start_own(start, store_server, tmp_path_factory):
    """Start a service whose store can be cut off, or an ``app`` in its place."""

    def start_own(app=None, **environ):
        pipe = Pipe(urlsplit(store_server.endpoint).netloc)
        environ = {
            "DATABASE_URL": f"sqlite:///{tmp_path_factory.mktemp('own')}/models.db",
            "S3_ENDPOINT": f"http://127.0.0.1:{pipe.port}",
            "S3_REGION": "us-east-1",
            "S3_ACCESS_KEY": store_server.access_key,
            "S3_SECRET_KEY": store_server.secret_key,
            **store_server.parts_environ,
            "LOGS_URL": f"http://127.0.0.1:{free_port()}",
            "GATEWAY_URL": "http://gateway.test:8080",
            "PUBLIC_URL": "",
            "ALLOWED_HOSTS": "tuned.example, evil.example, x",
            **environ,
        }
        url, _ = start_service(start, "models", environ, app)
        return Own(start, url, pipe, environ)

    return start_own


@pytest.fixture(scope="session")
def own_service(start_own):
    return start_own()


@pytest.fixture
def own(own_service):
    """The service whose store can be cut off; after the test it has it again."""
    yield own_service
    own_service.pipe.mend()


@pytest.fixture(scope="session")
def hasty(start_own):
    return start_own("tests.models.hasty", WEB_CONCURRENCY="1")


@pytest.fixture
def begun_of(bucket):
    """Return the model's one upload, as the store knows it."""

    def begun_of(model):
        [begun] = [found for found in bucket.list_uploads() if found.key.startswith(f"{model['storage_path']}/")]
        return begun

    return begun_of


@pytest.fixture(name="send_parts")
def send_parts_fixture():
    return send_parts
