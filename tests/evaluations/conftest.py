"""Ready models, test sets, an inference server that can be told to behave badly, and real worker processes."""

import json
import sys
import threading
import time
import uuid
from collections import Counter
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from run.parts import Part

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
        deadline = time.monotonic() + within_s
        while not condition(found := show(evaluation)):
            assert time.monotonic() < deadline, found
            time.sleep(0.05)
        return found

    return until


@pytest.fixture
def ended(until):
    """Wait until an evaluation is over and return its detail."""

    def ended(evaluation, within_s=30):
        return until(evaluation, lambda found: found["status"] in ("completed", "failed"), within_s)

    return ended


class Inference:
    """An OpenAI-compatible server: ``answers`` says what a model answers to an input, ``faults`` what goes wrong.

    ``faults[model, input]`` lists a fault for each try; where the list is at its end, all is well. ``asked`` counts
    the requests but for those that warm up; after ``dies_after`` of them there is no more answer. What is in
    ``held``, models and (model, input), waits for ``go_on``.
    """

    def __init__(self):
        self.models = ["base", "tuned"]
        self.answers = {}
        self.faults = {}
        self.held = set()
        self.says_its_name = False
        self.dies_after = None
        self.takes_s = 0
        self.go_on = threading.Event()
        self.asked = Counter()
        self.bodies = []
        self.keys = set()
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._http.daemon_threads = True
        self._http.handle_error = lambda *_: None  # a worker that was killed
        self._http.inference = self
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self.go_on.set()
        self._http.shutdown()
        self._http.server_close()

    def next_fault(self, body):
        """Count a request and return the fault that it is to meet."""
        key = body["model"], body["messages"][-1]["content"]
        with self._lock:
            self.bodies.append(body)
            if key[1] != "Hello":
                self.asked[key] += 1
            faults = self.faults.get(key)
            return faults.pop(0) if faults else None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_GET(self):
        self.send(200, {"data": [{"id": name} for name in self.server.inference.models]})

    def do_POST(self):
        inference = self.server.inference
        inference.keys.add(self.headers.get("Authorization"))
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.model = model = body["model"]
        text = body["messages"][-1]["content"]
        fault = inference.next_fault(body)
        if {model, (model, text)} & inference.held:
            inference.go_on.wait(60)
        time.sleep(inference.takes_s)  # a model that thinks
        if inference.dies_after is not None and inference.asked.total() > inference.dies_after:
            self.die()
            return
        if model not in inference.models:
            self.send(404, {"error": {"message": f"model {model} not found"}})
        elif fault is not None:
            fault(self)
        else:
            self.answer(inference.answers.get((model, text), "positive"))

    def answer(self, content):
        named = {"model": self.model} if self.server.inference.says_its_name else {}
        choice = {"index": 0, "message": {"role": "assistant", "content": content}}
        self.send(200, {**named, "choices": [choice]})

    def send(self, status, answer, **headers):
        raw = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        with suppress(OSError):  # the worker was killed
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", "Content-Length": len(raw), **headers}.items():
                self.send_header(name.replace("_", "-"), str(value))
            self.end_headers()
            self.wfile.write(raw)
            self.wfile.flush()

    def die(self):
        self.close_connection = True

    def hang(self):
        self.server.inference.go_on.wait(60)
        self.die()

    def log_message(self, *args):
        """Nothing."""


@pytest.fixture
def inference():
    server = Inference()
    yield server
    server.stop()


@pytest.fixture
def start_worker(evaluations, inference, start, put):
    """Start a worker on the service's own database, which first has nothing to do; all are killed with the test."""
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
        worker.kill()
