"""The `/metrics` of a process that answers no other requests: a worker's, the checksum process's."""

from __future__ import annotations

import time
from dataclasses import dataclass

from prometheus_client import REGISTRY, Gauge, start_http_server

from shared.settings import Port, SettingsError

_last_turn = Gauge("tunedeck_worker_turn_timestamp_seconds", "When the process last looked for work, or had some.")


@dataclass(frozen=True)
class MetricsSettings:
    metrics_port: Port | None = None
    """None: the process has no /metrics."""
    metrics_host: str = "127.0.0.1"


def serve_metrics(settings: MetricsSettings) -> None:
    """Answer ``/metrics`` in the background, where a port is set."""
    if settings.metrics_port is not None:
        try:
            start_http_server(settings.metrics_port, settings.metrics_host, REGISTRY)
        except OSError as error:
            where = f"METRICS_PORT={settings.metrics_port} on METRICS_HOST={settings.metrics_host}"
            raise SettingsError(f"{where}: {error.strerror}") from error


def note_turn() -> None:
    """Note that the process goes on; one that hangs no longer does."""
    _last_turn.set(time.time())
