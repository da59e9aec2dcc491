"""The models service, its store and its gateway, with models to download; servers and clients share the cores."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import sqlite3
import statistics
import subprocess
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import registries, support
from run import parts
from run.parts import StoreServer
from run.settings import free_port
from shared.s3.bucket import Bucket
from shared.s3.client import S3Settings, connect

MODELS = "/api/v1/models"


@dataclass(frozen=True)
class ModelsSystem:
    """Where its parts answer, and the pid of the service's master."""

    service: str
    gateway: str
    store: StoreServer
    database: Path
    pid: int

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Ask the service itself and return what it answers."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **headers}
        request = urllib.request.Request(self.service + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=600) as answer:
            return json.load(answer)

    def ready_model(self, files: int, size: int) -> str:
        """Make a ready model of so many files of ``size`` bytes, checksums known; returns its URL's path."""
        model = self.request("POST", MODELS, {"name": "Bench", "base_model": "b"})
        url = f"{MODELS}/{model['ID']}"
        # No two chunks alike, and nothing that a store could make smaller.
        block = os.urandom(min(size, 2**23))
        content = block * (size // len(block)) + block[: size % len(block)]
        bucket = bucket_of(self)
        keys = [f"{model['storage_path']}/files/{number:06}.bin" for number in range(files)]
        with ThreadPoolExecutor(8 if size < 2**20 else 1) as uploads:
            assert all(uploads.map(lambda key: bucket.put(key, io.BytesIO(content)), keys))
        self.freeze(url, zlib.crc32(content), hashlib.sha256(content).hexdigest())
        return url

    def freeze(self, url: str, crc32: int, sha256: str) -> None:
        """Make a model ready all of whose files have these checksums."""
        self.request("PUT", url, {"status": "ready"})
        # What the checksum process would find, for 10,000 files in minutes.
        with sqlite3.connect(self.database) as database:
            known = (crc32, sha256, int(url.rpartition("/")[2]))
            database.execute("UPDATE file SET crc32 = ?, sha256 = ? WHERE model_id = ?", known)
        database.close()
        # It would plan the archive then, as freezing does where all is known before.
        for status in ("uploading", "ready"):
            self.request("PUT", url, {"status": status})

    def named(self, url: str) -> str:
        """Return the path of the model's archive under its own name."""
        model = self.request("GET", url)["model"]
        return f"{url}/download/model-{model['ID']}-{model['created_at'][:10].replace('-', '')}.zip"

    def links(self, url: str, base: str) -> list[str]:
        """Return the presigned links of the model's files, as a client gets them who asked at ``base``."""
        scheme, _, host = base.partition("://")
        headers = {"X-Forwarded-Proto": scheme, "Host": host}
        return [file["url"] for file in self.request("GET", url, **headers)["model"]["file_list"]]


@contextlib.contextmanager
def models_system(folder: Path, workers: int = 2, store_url: str | None = None) -> Iterator[ModelsSystem]:
    """Run store, service and gateway over ``folder``; ``store_url`` is where the service finds S3, if elsewhere."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(registries.store(folder / "store"))
        settings = registries.models_settings(f"sqlite:///{folder}/models.db", server)
        settings |= {"WEB_CONCURRENCY": str(workers)}
        if store_url is not None:
            settings["S3_ENDPOINT"] = store_url
        port, gateway_port = free_port(), free_port()
        upstreams = dict.fromkeys(("LOGS_UPSTREAM", "EVALUATIONS_UPSTREAM"), "127.0.0.1:9")
        upstreams |= {"MODELS_UPSTREAM": f"127.0.0.1:{port}", "S3_UPSTREAM": server.endpoint}
        run_part = lambda part: stack.enter_context(support.running(part, None))  # noqa: E731
        run_part(parts.setup("models", settings, ()))
        service = run_part(parts.gunicorn("models", settings, port, ()))
        run_part(parts.caddy(None, folder / "gateway", ["127.0.0.1"], gateway_port, upstreams, ()))
        yield ModelsSystem(
            f"http://127.0.0.1:{port}", f"http://127.0.0.1:{gateway_port}", server, folder / "models.db", service.pid
        )


def bucket_of(system: ModelsSystem) -> Bucket:
    """Return the service's bucket."""
    server = system.store
    return Bucket(connect(S3Settings(server.endpoint, "us-east-1", server.access_key, server.secret_key)), "models")


def download(*urls: str, host: str | None = None) -> tuple[float, float]:
    """Fetch the URLs one after another by one curl; returns MB/s of all, and seconds to the first byte of the first.

    ``host`` is for links that were signed for another address.
    """
    named = [] if host is None else ["-H", f"Host: {host}", "-H", "Connection: close"]
    each = [word for url in urls for word in ("-o", "/dev/null", url)]
    written = "%{http_code} %{size_download} %{time_total} %{time_starttransfer}\n"
    done = subprocess.run(["curl", "-sS", "-w", written, *named, *each], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"curl: {done.stderr}")
    rows = [line.split() for line in done.stdout.splitlines()]
    assert all(row[0] == "200" for row in rows), rows
    return sum(int(row[1]) for row in rows) / sum(float(row[2]) for row in rows) / 1e6, float(rows[0][3])


def medians(rounds: int, *measures: Callable[[], float]) -> list[float]:
    """Return the median of each measure; they take turns, so that what slows the machine slows them all."""
    taken = [[measure() for measure in measures] for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*taken, strict=True)]
