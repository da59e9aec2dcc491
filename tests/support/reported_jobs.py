"""Jobs of trainings that report through the API, by as many lines and points as a test or a benchmark wants."""

from __future__ import annotations

import gzip
import itertools
import json
from collections.abc import Iterable
from typing import Any

import requests

from tests.support.system import System


class Jobs:
    """Jobs of a training that reports here, made through the API."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._numbers = itertools.count(1)

    def make(self, *, running: bool = True, **fields: Any) -> int:
        job = self._request("POST", "/jobs", json=fields).json()["ID"]
        if running:
            self.change(job, status="running", kernel="test-kernel")
        return int(job)

    def change(self, job: int, **fields: Any) -> None:
        self._request("PUT", f"/jobs/{job}", json=fields)

    def push(self, job: int, lines: Iterable[str | dict[str, Any]]) -> None:
        """Push lines, a message or a record each; each batch is repeated until it is stored."""
        records = [line if isinstance(line, dict) else {"message": line} for line in lines]
        for start in range(0, len(records), 5_000):
            body = "\n".join(json.dumps(record) for record in records[start : start + 5_000])
            headers = {
                "Content-Type": "application/x-ndjson",
                "Content-Encoding": "gzip",
                "Idempotency-Key": f"console-{job}-{next(self._numbers)}",
            }
            for attempt in itertools.count():
                try:
                    self._request("POST", f"/jobs/{job}/logs", data=gzip.compress(body.encode(), 1), headers=headers)
                    break
                except requests.RequestException:
                    if attempt == 20:
                        raise

    def report(self, job: int, points: list[dict[str, Any]]) -> None:
        for start in range(0, len(points), 2_500):
            self._request("POST", f"/jobs/{job}/metrics", json={"metrics": points[start : start + 2_500]})

    def _request(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        answer = self._system.request(method, path, **kwargs)
        answer.raise_for_status()
        return answer
