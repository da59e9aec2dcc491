"""The `/metrics` of a process that answers no other requests: a worker's, the checksum process's."""

from __future__ import annotations

import time
from dataclasses import dataclass

from prometheus_client import REGISTRY, Gauge, start_http_server

_last_turn = Gauge("tunedeck_worker_turn_timestamp_seconds", "When the process last looked for work, or had some.")


@dataclass(frozen=True)
class MetricsSettings:
    metrics_port: int | None = None
    """None: the process has no /metrics."""
    metrics_host: str = "127.0.0.1"


def serve_metrics(settings: MetricsSettings) -> None:
    """Answer ``/metrics`` in the background, where a port is set."""
    if settings.metrics_port is not None:
        start_http_server(settings.metrics_port, settings.metrics_host, REGISTRY)


def note_turn() -> None:
    """Note that the process goes on; one that hangs no longer does."""
    _last_turn.set(time.time())
