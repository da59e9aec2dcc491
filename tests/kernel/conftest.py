"""The base model, and a stand-in for Tunedeck's services that does what the kernel needs of them."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from examples.kernel import data
from examples.kernel.model import Classifier, fit_base
from examples.kernel.settings import Settings

Record = dict[str, Any]

TERMINAL = {"completed", "failed", "cancelled"}


class Answered(Exception):
    """Ends a request early, with this status."""

    def __init__(self, status: int) -> None:
        self.status = status


class StandIn(ThreadingHTTPServer):
    """Logs and models service in one; `before(method, path)` may look on or change things."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.before: Callable[[str, str], None] = lambda method, path: None
        self.away = False
        self.asks_for_tokens = False
        """Then a job has a token of its own."""
        self.seen: list[tuple[str, str, str | None]] = []
        """The method, path and Authorization of each request."""
        self._refusals: list[tuple[int, str, str]] = []
        self.jobs: dict[int, Record] = {}
        self.kernels: dict[int, str | None] = {}
        self.logs: dict[int, list[Record]] = {}
        self.models: dict[int, Record] = {}
        self.files: dict[tuple[int, str], bytes] = {}
        self.datasets: dict[str, bytes] = {}
        self._numbers = count(1)

    def add_job(self, dataset_id: int = 1, status: str = "pending", **configuration: object) -> int:
        number = next(self._numbers)
        record = {"ID": number, "dataset_id": dataset_id, "status": status, "configuration": configuration}
        self.jobs[number], self.logs[number] = record, []
        return number

    def add_model(self, record: Record) -> Record:
        number = next(self._numbers)
        self.models[number] = {"ID": number, "served_name": record["name"], **record}
        return self.models[number]

    def refuse(self, status: int, method: str, path_end: str) -> None:
        """Once, the next request like this."""
        self._refusals.append((status, method, path_end))

    def text(self, job_id: int) -> str:
        return "\n".join(f"[{line['level']}] {line['message']}" for line in self.logs[job_id])

    def change_job(self, number: int, change: Record) -> Record:
        job, kernel = self.jobs[number], change.get("kernel")
        if job["status"] in TERMINAL and change["status"] != job["status"]:
            raise Answered(409)
        if change["status"] == "running" == job["status"] and kernel != self.kernels.get(number):
            raise Answered(409)
        if change["status"] == "running":
            self.kernels[number] = kernel
        job["status"] = change["status"]
        return job

    def handle(self, method: str, url: str, body: bytes) -> Record | bytes:
        parts = urlsplit(url)
        path = unquote(parts.path).removeprefix("/api/v1")
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.before(method, path)
        if self.away:
            raise Answered(503)
        for refusal in self._refusals:
            if method == refusal[1] and path.endswith(refusal[2]):
                self._refusals.remove(refusal)
                raise Answered(refusal[0])
        match method, *path.strip("/").split("/", 2):
            case "GET", "jobs":
                return _page([job for job in self.jobs.values() if job["status"] == query["status"]], query)
            case "GET", "jobs", number:
                return self.jobs[int(number)]
            case "PUT", "jobs", number:
                return self.change_job(int(number), json.loads(body))
            case "POST", "jobs", number, "token":
                if not self.asks_for_tokens:
                    raise Answered(409)
                return {"token": f"token of job {number}", "job_id": int(number)}
            case "POST", "jobs", number, "logs":
                lines = [json.loads(line) for line in body.split(b"\n") if line]
                self.logs[int(number)] += lines
                return {"count": len(lines)}
            case "GET", "models":
                asked = {"job_id": int(query["job_id"])} if "job_id" in query else {"status": query["status"]}
                ours = [model for model in self.models.values() if asked.items() <= model.items()]
                return _page(ours[::-1], query)
            case "GET", "models", number:
                link = f"{self.url}/api/v1/links/{number}/model-f16.gguf?signature=x"
                return {"model": self.models[int(number)], "download_links": {"gguf": link}}
            case "GET", "links", number, _:
                return self.files[int(number), "gguf/model-f16.gguf"]
            case "POST", "models":
                return self.add_model(json.loads(body))
            case "PUT", "models", number:
                self.models[int(number)] |= json.loads(body)
                return self.models[int(number)]
            case "PUT", "models", number, file:
                self.files[int(number), file.removeprefix("files/")] = body
                return {}
            case "GET", "datasets":
                return _page([{"name": name} for name in self.datasets], query)
            case "PUT", "datasets", name:
                self.datasets[name] = body
                return {}
        raise Answered(404)


class _Handler(BaseHTTPRequestHandler):
    server: StandIn
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_GET(self) -> None:
        self.server.seen.append((self.command, urlsplit(self.path).path, self.headers.get("Authorization")))
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        try:
            answer: Record | bytes = self.server.handle(self.command, self.path, body)
            status = 201 if self.command == "POST" else 200
        except Answered as answered:
            status = answered.status
            answer = {"code": status, "message": f"stand-in says {status}"}
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_PUT = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _page(records: list[Record], query: dict[str, str]) -> Record:
    page, limit = int(query.get("page", "1")), int(query.get("limit", "10"))
    start = (page - 1) * limit
    return {"data": records[start : start + limit], "total": len(records), "page": page, "limit": limit}


@pytest.fixture
def services() -> Iterator[StandIn]:
    server = StandIn()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def settings(services: StandIn, tmp_path: Path) -> Settings:
    environ = {"LOGS_URL": services.url, "API_URL": services.url, "DATA_DIR": str(tmp_path)}
    return Settings.from_environ(environ)


@pytest.fixture(scope="session")
def base() -> Classifier:
    return fit_base(data.general())
