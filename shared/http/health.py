"""What is asked of a service itself, open, and not routed by the gateway.

``/healthz``, without dependencies but with the version, ``/readyz``, which checks each by name, and ``/metrics``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from flask import Flask, Response
from flask.typing import ResponseReturnValue
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from shared.redaction import redact
from shared.telemetry.metrics import TableGauge, exposition
from shared.version import VERSION

Check = Callable[[], object]
"""Raises when what it asks for is not there."""


def add_health(app: Flask, checks: Mapping[str, Check], gauges: Sequence[TableGauge]) -> None:
    """Add the endpoints; ``checks`` names each dependency with a call that raises where it is not ready.

    ``gauges`` are read from the tables at each scrape of the metrics by Prometheus.
    """

    def get_health() -> ResponseReturnValue:
        return {"status": "ok", "version": VERSION}

    def get_readiness() -> ResponseReturnValue:
        states = {name: _state(check) for name, check in checks.items()}
        return states, 200 if all(state == "ok" for state in states.values()) else 503

    def show_metrics() -> Response:
        return Response(exposition(gauges), content_type=CONTENT_TYPE_PLAIN_0_0_4)

    app.add_url_rule("/healthz", view_func=get_health)
    app.add_url_rule("/readyz", view_func=get_readiness)
    app.add_url_rule("/metrics", view_func=show_metrics)


def _state(check: Check) -> str:
    try:
        check()
    except Exception as error:  # whatever it is, the answer must name it
        return f"{type(error).__name__}: {redact(str(error))}"
    return "ok"
