"""A logs service as the contract has it, in this process, that misbehaves when told to."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import socket
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class LogsDouble:
    """`lines` of job 7 as stored; `requests` as (key, body, status, arrival in monotonic seconds).

    `plan` is used up request by request: "lose" stores and drops the connection without an answer, "reset" drops it
    before storing, "hang" never answers, a status (or a status and headers) is answered without storing. `always`
    does the same for every request. `refuse(line)` may name a status for a bad line. Metrics have a plan of their own:
    `points` as stored, by (name, step), `refuse_point(point)`, and `metrics_always`, a status for every request.
    """

    def __init__(self, port=0):
        self.lines, self.requests, self.keys, self.plan = [], [], {}, []
        self.headers = []
        self.always = None
        self.delay = 0
        self.refuse = lambda line: None
        self.points, self.posts_of_points = {}, []
        self.metrics_always = None
        self.refuse_point = lambda point: None
        self._lock = threading.Lock()
        self._released = threading.Event()
        self._may_answer = threading.Event()
        self._may_answer.set()
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                service._answer(self)

            def log_message(self, *args):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, request, client_address):
                pass  # connections that this fake breaks itself

        self._server = Server(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self):
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def messages(self):
        return [line["message"] for line in self.lines]

    @contextlib.contextmanager
    def holding_back(self):
        """Judge the requests for lines that come meanwhile, and answer them at the end."""
        self._may_answer.clear()
        try:
            yield
        finally:
            self._may_answer.set()

    def wait_for(self, condition, timeout=30.0):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if condition(self):
                return True
            time.sleep(0.01)
        return False

    def _answer(self, request):
        if request.path.endswith("/metrics"):
            self._answer_metrics(request)
            return
        body = gzip.decompress(request.rfile.read(int(request.headers["Content-Length"])))
        key = request.headers["Idempotency-Key"]
        with self._lock:
            order = self.always or (self.plan.pop(0) if self.plan else None)
            status, headers, answer = self._judge(order, request, key, body)
            self.requests.append((key, body, status, time.monotonic()))
            self.headers.append(dict(request.headers))
        self._may_answer.wait(30)
        time.sleep(self.delay)
        if order == "hang":
            self._released.wait(30)
        if order in ("lose", "reset", "hang"):
            request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            request.close_connection = True
            request.connection.close()
            return
        self._send(request, status, headers, answer)

    def _answer_metrics(self, request):
        def bare(name):
            raise AssertionError(f"{name} is no JSON")

        body = json.loads(request.rfile.read(int(request.headers["Content-Length"])), parse_constant=bare)
        points = body["metrics"]
        with self._lock:
            status = self.metrics_always or next(filter(None, map(self.refuse_point, points)), 201)
            self.posts_of_points.append((len(points), status))
            if status == 201:
                assert sum(len(point["values"]) for point in points) <= 10_000
                for point in points:
                    self.points.update({(name, point["step"]): value for name, value in point["values"].items()})
        answer = {"count": 1} if status == 201 else {"code": status, "message": "told to"}
        self._send(request, status, {}, answer)

    def _send(self, request, status, headers, answer):
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        request.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(data)

    def _judge(self, order, request, key, body):
        if order in ("reset", "hang"):
            return 0, {}, None
        if isinstance(order, int):
            return order, {}, {"code": order, "status": "Told", "message": f"told to say {order}"}
        if isinstance(order, bytes):  # of a proxy: a status and the page that it shows
            status, _, page = order.partition(b" ")
            return int(status), {}, page
        if isinstance(order, tuple):
            return order[0], order[1], {"code": order[0], "message": "told to"}
        if request.path != "/api/v1/jobs/7/logs":
            return 404, {}, {"code": 404, "message": "no such job"}
        if not 1 <= len(key) <= 255 or request.headers["Content-Type"] != "application/x-ndjson":
            return 415, {}, {"code": 415, "message": "bad request of the test's client"}
        digest = hashlib.sha256(body).hexdigest()
        if key in self.keys:
            same = self.keys[key] == digest
            return (
                (201, {"Idempotent-Replayed": "true"}, {"count": body.count(b"\n")})
                if same
                else (422, {}, {"code": 422, "message": "key reused"})
            )
        lines = [json.loads(line) for line in body.splitlines()]
        for line in lines:
            if self.refuse(line):
                return (
                    self.refuse(line),
                    {},
                    {"code": self.refuse(line), "message": "a bad line", "errors": {"message": ["bad"]}},
                )
            if len(line["message"].encode()) > 256 * 1024:  # raises for a lone surrogate
                return 413, {}, {"code": 413, "message": "too long"}
            if "\0" in line["message"] or line["level"] not in ("debug", "info", "warn", "error"):
                return 422, {}, {"code": 422, "message": "NUL or level"}
        self.keys[key] = digest
        self.lines += lines
        return 201, {}, {"count": len(lines)}
