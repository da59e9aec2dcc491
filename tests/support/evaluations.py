"""What tests of the evaluation worker need: an inference server that can be told to behave badly, and conditions."""

import json
import threading
import time
from collections import Counter
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def requests_for(rows):
    """Return the (model, input) that are asked of so many rows."""
    return {(model, text) for model in ("base", "tuned") for text, _ in rows}


def rows_done(number):
    """Return the condition of an evaluation's detail that exactly so many rows are done."""
    return lambda found: found["status"] == "running" and found["progress"]["done"] == number


def question(body):
    """Return what is asked last, without a system message before it in the same text."""
    text = body["messages"][-1]["content"] if "messages" in body else body["prompt"]
    return text.rpartition("\n\n")[2]


class Inference:
    """An OpenAI-compatible server: ``answers`` says what a model answers to an input, ``faults`` what goes wrong.

    ``faults[model, input]`` lists a fault for each try; where the list is at its end, all is well. ``asked`` counts
    the requests but for those that warm up; after ``dies_after`` of them there is no more answer. What is in
    ``held``, models and (model, input), waits for ``go_on``. ``refuses(path, body)`` returns the status and message of
    a refusal, None where the server can be asked so.
    ``answered_by[model](handler, body)`` answers in the place of all that.
    """

    def __init__(self):
        self.models = ["base", "tuned"]
        self.answers = {}
        self.faults = {}
        self.held = set()
        self.says_its_name = False
        self.dies_after = None
        self.takes_s = 0
        self.refuses = lambda path, body: None
        self.answered_by = {}
        self.go_on = threading.Event()
        self.asked = Counter()
        self.bodies = []
        self.refused = []
        self.keys = set()
        self.queries = set()
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
        key = body["model"], question(body)
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
        text = question(body)
        path, self.chats = self.path.partition("/v1")[2], "messages" in body
        inference.queries.add(path.partition("?")[2])
        refused = inference.refuses(path.partition("?")[0], body)
        if refused is not None:
            inference.refused.append(body)
            self.send(refused[0], {"error": {"message": refused[1]}})
            return
        fault = inference.next_fault(body)
        if model in inference.answered_by:
            inference.answered_by[model](self, body)
            return
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

    def answer(self, content, finish_reason="stop", **message):
        named = {"model": self.model} if self.server.inference.says_its_name else {}
        said = {"message": {"role": "assistant", "content": content, **message}} if self.chats else {"text": content}
        usage = {"prompt_tokens": 7, "completion_tokens": 2}
        self.send(200, {**named, "choices": [{"index": 0, **said, "finish_reason": finish_reason}], "usage": usage})

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
