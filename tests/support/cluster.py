"""The whole system in replicas behind a gateway, each dependency behind a pipe that can be cut, hung or slowed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from run import parts
from run.parts import Part, StoreServer
from run.settings import free_port
from tests.logs.faults.conftest import Process, Redis
from tests.support.pipe import Pipe
from tests.support.services import Start, set_up

SERVICES = parts.SERVICES
PROCESSES = {
    "checksums": ("models", "services.models.checksums"),
    "worker": ("evaluations", "services.evaluations.worker"),
}


class Cluster:
    """``replicas`` of each service and process, a Redis of its own, the gateway at ``url``.

    ``pipes`` are before the store, Redis, the inference server
    and, as the services see each other, logs and models; and before PostgreSQL, whose socket is given.
    """

    def __init__(
        self,
        start: Start,
        folder: Path,
        postgres_socket: str,
        store: StoreServer,
        inference_url: str,
        replicas: int = 1,
        site: str = "http://127.0.0.1",
        **environ: str,
    ) -> None:
        self.redis = Redis(start, folder, free_port())
        self.ports = {name: [free_port() for _ in range(replicas)] for name in (*SERVICES, *PROCESSES)}
        self.gateway_port = free_port()
        self.site = site
        self.url = f"{site}:{self.gateway_port}"
        postgres = Pipe(postgres_socket)
        self.databases = {name: f"postgresql://postgres@127.0.0.1:{postgres.port}/{name}" for name in SERVICES}
        among = {name: f"127.0.0.1:{self.ports[name][0] if replicas == 1 else self.gateway_port}" for name in SERVICES}
        self.pipes = {
            "store": Pipe(urlsplit(store.endpoint).netloc),
            "redis": Pipe(urlsplit(self.redis.url).netloc),
            "inference": Pipe(urlsplit(inference_url).netloc),
            "logs": Pipe(among["logs"]),
            "models": Pipe(among["models"]),
            "postgresql": postgres,
        }
        at = {name: f"127.0.0.1:{pipe.port}" for name, pipe in self.pipes.items()}
        self.environ = {
            "REDIS_URL": f"redis://{at['redis']}/0",
            "S3_ENDPOINT": f"http://{at['store']}",
            "S3_REGION": "us-east-1",
            "S3_ACCESS_KEY": store.access_key,
            "S3_SECRET_KEY": store.secret_key,
            **store.parts_environ,
            "INFERENCE_URL": f"http://{at['inference']}/v1",
            "INFERENCE_CONCURRENCY": "4",
            "LOGS_URL": f"http://{at['logs']}",
            "MODELS_URL": f"http://{at['models']}",
            "EVALUATIONS_URL": f"http://{among['evaluations']}",
            "GATEWAY_URL": self.url,
            **environ,
        }
        if site.startswith("https:"):  # whose certificate is not a pipe's
            self.environ |= dict.fromkeys(("LOGS_URL", "MODELS_URL", "EVALUATIONS_URL"), self.url)
        for name in SERVICES:
            set_up(name, self.environ | {"DATABASE_URL": self.databases[name], "S3_ENDPOINT": store.endpoint})
        self.running = {
            name: [Process(start, self._part(name, port)) for port in ports] for name, ports in self.ports.items()
        }
        self.gateway = Process(start, self._gateway(folder))

    def _part(self, name: str, port: int) -> Part:
        if name in SERVICES:
            return parts.gunicorn(name, self.environ | {"DATABASE_URL": self.databases[name]}, port, ())
        service, module = PROCESSES[name]
        environ = self.environ | {"DATABASE_URL": self.databases[service], "METRICS_PORT": str(port)}
        return Part(name, [sys.executable, "-m", module], environ, (), f"http://127.0.0.1:{port}/metrics")

    def _gateway(self, folder: Path) -> Part:
        upstreams = {
            f"{name.upper()}_UPSTREAM": " ".join(f"127.0.0.1:{port}" for port in self.ports[name]) for name in SERVICES
        }
        upstreams |= {"S3_UPSTREAM": self.environ["S3_ENDPOINT"], "CORS_ORIGINS": "", "TRUSTED_PROXIES": ""}
        upstreams["GATEWAY_SITE"] = self.site if self.site.startswith("https:") else "http://"
        own = folder / "gateway"
        return parts.caddy(os.environ.get("CADDY_BIN"), own, ["127.0.0.1"], self.gateway_port, upstreams, ())

    @property
    def processes(self) -> list[Any]:
        """Every replica, those of one service not next to each other."""
        return [replica for turn in zip(*self.running.values(), strict=True) for replica in turn]

    def stop(self) -> None:
        for process in (self.gateway, *self.processes, self.redis):
            process.kill()
        for pipe in self.pipes.values():
            pipe.cut()

    def log(self, name: str) -> str:
        return "".join(replica.log for replica in self.running[name])


def restart(process: Any) -> None:
    """End a process as a deployment does, and start it again."""
    process.running.stop()
    process.start()


def kill_and_start(process: Any) -> None:
    process.kill()
    process.start()


@contextmanager
def fault(pipe: Pipe, kind: str) -> Iterator[None]:
    """Have what is behind a pipe be ``stopped``, ``hung`` or ``slow`` (1 KiB a second) for a block."""
    begin: dict[str, Callable[[], None]] = {"stopped": pipe.cut, "hung": pipe.hang, "slow": lambda: pipe.slow(1024)}
    begin[kind]()
    try:
        yield
    finally:
        pipe.cut()  # what hung is never heard of again
        pipe.mend()
