"""What a service answers while another one, or the store, takes connections and says nothing: in time, and by name.

Of Redis and PostgreSQL the tests are in tests/logs/faults: all services reach those by the same code.
"""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from tests.support.databases import only_on
from tests.support.pipe import Pipe
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.faults, only_on("postgresql")]

MODELS = "/api/v1/models"
WITHIN_S = 15
SLACK_S = 5
"""For a busy machine."""


@pytest.fixture
def behind_pipe(serve):
    """Start a service once more, with a dependency behind a pipe."""
    alone = []

    def behind_pipe(service, variable):
        environ = service.running.part.environ
        pipe = Pipe(urlsplit(environ[variable]).netloc)
        url = f"http://127.0.0.1:{pipe.port}"
        alone.append(serve(service.running.part.name, **environ | {variable: url}))
        return alone[-1], pipe

    yield behind_pipe
    for service in alone:
        service.running.kill()


@contextmanager
def hung(pipe):
    pipe.hang()
    try:
        yield
    finally:
        pipe.cut()  # what hung is never heard of again
        pipe.mend()


def timed(request):
    began = time.monotonic()
    answer = request()
    return answer, time.monotonic() - began


def answers_503(*requests):
    """Send requests at once and check that each is answered 503 in time."""
    with ThreadPoolExecutor(len(requests)) as pool:
        for answer, took in pool.map(timed, requests):
            assert (answer.status_code, "Retry-After" in answer.headers) == (503, True), answer.text
            assert took < WITHIN_S + SLACK_S


def new_model(models):
    body = {"name": "m", "base_model": "b", "storage_path": uuid.uuid4().hex, "job_id": 1}
    return f"{MODELS}/{models.post(MODELS, json=body).json()['ID']}"


def test_the_store_behind_models(models, behind_pipe):
    own, store = behind_pipe(models, "S3_ENDPOINT")
    model, filled = new_model(own), new_model(own)
    assert own.put(f"{filled}/files/a", data=b"x").status_code == 200
    with hung(store):
        answers_503(
            lambda: own.put(f"{model}/files/a", data=b"x"),
            lambda: own.delete(f"{filled}/files/a"),
            lambda: own.put(filled, json={"status": "ready"}),
            lambda: own.post(f"{model}/uploads", json={"path": "b", "size": 2**25}),
        )
        assert own.get(model).status_code == 200
    wait_until(lambda: own.put(f"{model}/files/a", data=b"x").status_code == 200)
    assert own.put(model, json={"status": "ready"}).status_code == 200


def test_the_logs_service_behind_models(logs, models, behind_pipe):
    assert logs.post("/api/v1/jobs", json={"dataset_id": 1}).status_code == 201
    own, pipe = behind_pipe(models, "LOGS_URL")
    model = new_model(own)
    assert own.get(model).json()["model"]["job"]["ID"] == 1
    with hung(pipe):
        answer, took = timed(lambda: own.get(model))
        assert (answer.status_code, answer.json()["model"]["job"]) == (200, None)
        assert took < WITHIN_S + SLACK_S
    wait_until(lambda: own.get(model).json()["model"]["job"] is not None)


def test_the_store_behind_evaluations(evaluations, behind_pipe):
    own, store = behind_pipe(evaluations, "S3_ENDPOINT")
    rows = b'[{"input": "a", "expected": "b"}]'
    name = f"/api/v1/datasets/{uuid.uuid4().hex}"
    with hung(store):
        answers_503(lambda: own.put(name, data=rows))
    wait_until(lambda: own.put(name, data=rows).status_code == 200)


def test_the_models_service_behind_evaluations(models, evaluations, behind_pipe):
    own, pipe = behind_pipe(evaluations, "MODELS_URL")
    model = new_model(models)
    assert models.put(f"{model}/files/a", data=b"x").status_code == 200
    assert models.put(model, json={"status": "ready"}).status_code == 200
    own_set = own.put(f"/api/v1/datasets/{uuid.uuid4().hex}", data=b'[{"input": "a", "expected": "b"}]').json()["path"]
    begin = {"test_set_path": own_set}
    with hung(pipe):
        answers_503(lambda: own.post(f"{model}/evaluate", json=begin))
        assert own.get("/api/v1/evaluations").status_code == 200
    wait_until(lambda: own.post(f"{model}/evaluate", json=begin).status_code == 202)
