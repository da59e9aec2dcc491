"""Everything that users do, at once, and the oracle: what was acknowledged is there, once, and whole."""

from __future__ import annotations

import hashlib
import io
import json
import os
import threading
import time
import uuid
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import requests

from tests.logs.faults.load import AWAY, Load
from tests.support.waiting import wait_until

PATIENCE_S = 90
BLOCK = 256 * 1024


@dataclass(frozen=True)
class Outcome:
    """What a request came to; a status of 0 is a broken connection."""

    what: str
    status: int
    took_s: float
    has_retry_after: bool = True


class Workload:
    """A job's writers and readers, an uploader, a downloader and an evaluator against the gateway at ``url``."""

    def __init__(self, url: str, seed: int, rows: int = 6) -> None:
        self._url = f"{url}/api/v1"
        self.outcomes: list[Outcome] = []
        self.uploaded: list[tuple[int, str]] = []
        """The models that were answered ready, and the SHA-256 of their file."""
        self.evaluated: list[dict[str, Any]] = []
        self.downloads = 0
        self.failure: BaseException | None = None
        self._rows = rows
        self._stopping = threading.Event()
        self._content = os.urandom(6 * 2**20)
        self._model = self._upload(self._content)
        self.load = Load(url, seed, writers=2, readers=3, pause_s=0.02)
        turns = (self._upload_one, self._download, self._evaluate)
        self._threads = [threading.Thread(target=self._go_on, args=(turn,), daemon=True) for turn in turns]
        for thread in self._threads:
            thread.start()

    @property
    def slowest_s(self) -> float:
        return max(outcome.took_s for outcome in self.outcomes)

    def statuses(self) -> dict[int, int]:
        found = [outcome.status for outcome in self.outcomes]
        return {status: found.count(status) for status in sorted(set(found))}

    def wait_for_a_turn_of_each(self, within_s: float = PATIENCE_S) -> None:
        """Wait until, from now on, lines, a model, a download and an evaluation went through."""
        before = self.load.written, len(self.uploaded), self.downloads, len(self.evaluated)

        def went_through() -> bool:
            self.check()
            now = self.load.written, len(self.uploaded), self.downloads, len(self.evaluated)
            return all(new > old for new, old in zip(now, before, strict=True))

        wait_until(went_through, within_s)

    def check(self) -> None:
        self.load.check()
        if self.failure is not None:
            raise self.failure

    def finish(self) -> None:
        """Stop, and look whether everything that was acknowledged is there."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
        self.check()
        self.load.finish(patience_s=60)
        for model, sha256 in self.uploaded:
            archive = zipfile.ZipFile(io.BytesIO(self._ask("GET", f"/models/{model}/download").content))
            assert hashlib.sha256(archive.read(f"{model}/weights.bin")).hexdigest() == sha256
        for evaluation in self.evaluated:
            found = self._ask("GET", f"/evaluations/{evaluation['id']}").json()
            assert (found["status"], found["results"]) == ("completed", evaluation["results"])

    def _go_on(self, turn: Callable[[], None]) -> None:
        try:
            while not self._stopping.is_set():
                turn()
        except BaseException as failure:
            self.failure = failure

    def _ask(self, method: str, path: str, *, stream: bool = False, **kwargs: Any) -> requests.Response:
        """Repeat a request, which must be idempotent, until it is neither broken off nor 503."""
        deadline = time.monotonic() + PATIENCE_S
        what = f"{method} {'/'.join('1' if part.isdigit() else part for part in path.split('/'))}"
        while True:
            began, answer = time.monotonic(), None
            with suppress(*AWAY):
                answer = requests.request(method, self._url + path, timeout=60, stream=stream, **kwargs)
            took_s = time.monotonic() - began
            status = 0 if answer is None else answer.status_code
            self.outcomes.append(Outcome(what, status, took_s, answer is None or "Retry-After" in answer.headers))
            if answer is not None and answer.status_code != 503:
                return answer
            assert time.monotonic() < deadline, f"{what}: nothing but {status}"
            time.sleep(0.2)

    def _create(self, path: str, body: dict[str, Any]) -> Any:
        answer = self._ask("POST", path, json=body, headers={"Idempotency-Key": str(uuid.uuid4())})
        assert answer.status_code in (201, 202), answer.text
        return answer.json()

    def _upload(self, content: bytes) -> int:
        model: int = self._create("/models", {"name": "m", "base_model": "base", "served_name": "tuned"})["ID"]
        sha256 = hashlib.sha256(content).hexdigest()
        answer = self._ask("PUT", f"/models/{model}/files/weights.bin", data=content)
        assert (answer.status_code, answer.json().get("sha256")) == (200, sha256), answer.text
        wait_until(lambda: self._is_ready(model))
        self.uploaded.append((model, sha256))
        return model

    def _is_ready(self, model: int) -> bool:
        answer = self._ask("PUT", f"/models/{model}", json={"status": "ready"})
        # The hold of an upload whose end could not be written down lapses with its lease.
        assert answer.status_code == 200 or "is under way" in answer.text, answer.text
        return bool(answer.status_code == 200)

    def _upload_one(self) -> None:
        self._upload(os.urandom(300_000))
        time.sleep(0.1)

    def _download(self) -> None:
        """Download an archive in pieces, going on after each break where it broke off; it must be the same archive."""
        path, read, etag = f"/models/{self._model}/download", b"", None
        while True:
            headers = {} if etag is None else {"Range": f"bytes={len(read)}-", "If-Range": etag}
            answer = self._ask("GET", path, stream=True, headers=headers)
            if answer.status_code == 416 and answer.headers["Content-Range"] == f"bytes */{len(read)}":
                break  # all of it came, and broke off before the last chunk of the transfer coding
            assert answer.status_code == (200 if etag is None else 206), answer.text
            etag = etag or answer.headers["ETag"]
            try:
                for piece in answer.iter_content(BLOCK):
                    read += piece
                break
            except AWAY:
                continue
        with zipfile.ZipFile(io.BytesIO(read)) as archive:
            assert archive.read(f"{self._model}/weights.bin") == self._content
        self.downloads += 1

    def _evaluate(self) -> None:
        own = uuid.uuid4().hex[:8]
        rows = [{"input": f"{own} row {number}", "expected": "positive"} for number in range(self._rows)]
        answer = self._ask("PUT", f"/datasets/{own}", data=json.dumps(rows))
        assert answer.status_code == 200, answer.text
        begun = self._create(f"/models/{self._model}/evaluate", {"test_set_path": f"datasets/{own}"})
        deadline = time.monotonic() + PATIENCE_S
        while True:
            found = self._ask("GET", f"/evaluations/{begun['evaluation_id']}").json()
            if found["status"] in ("completed", "failed"):
                break
            assert time.monotonic() < deadline, found
            time.sleep(0.2)
        assert found["status"] == "completed", found["error"]
        self.evaluated.append(found)
