"""Ready models, test sets, an inference server that can be told to behave badly, and real worker processes."""

import json
import sys
import uuid

import pytest

from run.parts import Part
from tests.support.evaluations import Inference
from tests.support.waiting import wait_until

MODELS = "/api/v1/models"
DATASETS = "/api/v1/datasets"
EVALUATIONS = "/api/v1/evaluations"


@pytest.fixture
def ready_model(models):
    """Create a ready model and return its number; the server knows it as ``tuned`` unless told another name."""

    def ready_model(**fields):
        body = {"name": "Model from Job 1", "base_model": "base", "served_name": "tuned", "status": "ready"}
        own_path = f"evaluated-{uuid.uuid4().hex}"
        answer = models.post(MODELS, json={**body, "storage_path": own_path, **fields})
        assert answer.status_code == 201, answer.text
        return answer.json()["ID"]

    return ready_model


@pytest.fixture
def put_set(evaluations):
    """Upload a body as a test set and return the answer."""

    def put_set(body, name=None):
        return evaluations.put(f"{DATASETS}/{name or uuid.uuid4().hex}", data=body)

    return put_set


@pytest.fixture
def new_set(put_set):
    """Upload rows, each ``(input, expected)``, and return the set's path."""

    def new_set(rows, name=None):
        body = json.dumps([{"input": text, "expected": expected} for text, expected in rows])
        answer = put_set(body.encode(), name)
        assert answer.status_code == 200, answer.text
        return answer.json()["path"]

    return new_set


@pytest.fixture
def rows():
    """Return so many rows with inputs of their own."""
    own = uuid.uuid4().hex[:8]
    return lambda count: [(f"{own} row {number}", "positive") for number in range(count)]


@pytest.fixture
def test_set(new_set):
    return new_set([("I love this product!", "positive"), ("This is terrible", "negative")])


@pytest.fixture
def evaluate(evaluations, ready_model):
    """Begin an evaluation of a ready model on a test set and return its number."""

    def evaluate(path, model=None, **fields):
        model = model or ready_model()
        answer = evaluations.post(f"{MODELS}/{model}/evaluate", json={"test_set_path": path, **fields})
        assert answer.status_code == 202, answer.text
        return answer.json()["evaluation_id"]

    return evaluate


@pytest.fixture
def new_evaluation(evaluate, test_set):
    """Begin an evaluation that nobody works on and return its number."""

    def new_evaluation(**fields):
        return evaluate(test_set, **fields)

    return new_evaluation


@pytest.fixture
def show(evaluations):
    """Return an evaluation's detail."""

    def show(evaluation):
        answer = evaluations.get(f"{EVALUATIONS}/{evaluation}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    return show


@pytest.fixture
def put(evaluations):
    """PUT an evaluation's fields and return the answer."""

    def put(evaluation, **fields):
        return evaluations.put(f"{EVALUATIONS}/{evaluation}", json=fields)

    return put


@pytest.fixture
def until(show):
    """Wait until an evaluation's detail satisfies a condition and return it."""

    def until(evaluation, condition, within_s=30):
        return wait_until(lambda: found if condition(found := show(evaluation)) else None, within_s)

    return until


@pytest.fixture
def ended(until):
    """Wait until an evaluation is over and return its detail."""

    def ended(evaluation, within_s=30):
        return until(evaluation, lambda found: found["status"] in ("completed", "failed"), within_s)

    return ended


@pytest.fixture
def inference():
    server = Inference()
    yield server
    server.stop()


@pytest.fixture
def start_worker(evaluations, inference, start, put):
    """Start a worker on the service's own database, which first has nothing to do; all end with the test."""
    for status in ("pending", "running"):
        while waiting := evaluations.get(EVALUATIONS, params={"status": status, "limit": 100}).json()["data"]:
            for evaluation in waiting:
                put(evaluation["ID"], status="failed", error="left over")
    started = []

    def start_worker(**environ):
        own = {"INFERENCE_URL": inference.url, "INFERENCE_CONCURRENCY": "4", "INFERENCE_TIMEOUT_S": "30"}
        command = [sys.executable, "-m", "services.evaluations.worker"]
        everything = evaluations.running.part.environ | own | environ
        started.append(start(Part("evaluation worker", command, everything, ready_url="alive:")))
        return started[-1]

    yield start_worker
    for worker in started:
        worker.end()
