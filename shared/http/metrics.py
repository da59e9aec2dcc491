"""``/metrics``: what Prometheus scrapes of a service, open, and not routed by the gateway."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Flask, Response
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from shared.telemetry.metrics import TableGauge, exposition


def add_metrics(app: Flask, gauges: Sequence[TableGauge]) -> None:
    """Add the endpoint; ``gauges`` are read from the tables at each scrape."""

    def show_metrics() -> Response:
        return Response(exposition(gauges), content_type=CONTENT_TYPE_PLAIN_0_0_4)

    app.add_url_rule("/metrics", view_func=show_metrics)
