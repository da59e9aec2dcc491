"""The metrics that every process has, and their exposition for Prometheus: all workers of a service together.

Workers count in files of one folder, PROMETHEUS_MULTIPROC_DIR, which gunicorn.conf.py makes.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from shared.errors import ServiceError

request_seconds = Histogram(
    "tunedeck_request_seconds",
    "Seconds until an answer begins; that of an upload, until all of it is there.",
    ["method", "route", "status"],
    buckets=(0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
database_wait_seconds = Counter(
    "tunedeck_database_wait_seconds", "Seconds that were waited for a connection, or for SQLite's one lock."
)
database_errors = Counter("tunedeck_database_errors", "Calls that the database did not answer.")
leases_lost = Counter("tunedeck_leases_lost", "Leases that were lost to another process.")
notifications_failed = Counter("tunedeck_notifications_failed", "Notifications that Redis did not take.")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TableGauge:
    """A gauge that is read from the tables at each scrape; every replica shows the same."""

    name: str
    what: str
    read: Callable[[], float]


class _Tables(Collector):
    """The gauges that are read from the tables, and whether they could be."""

    def __init__(self, gauges: Iterable[TableGauge]) -> None:
        self._gauges = gauges

    def collect(self) -> Iterator[Metric]:
        readable = 1
        for gauge in self._gauges:
            try:
                yield GaugeMetricFamily(gauge.name, gauge.what, value=gauge.read())
            except ServiceError as error:
                readable = 0
                log.warning("%s cannot be read: %s", gauge.name, error.message)
                break  # the next would wait as long
        yield GaugeMetricFamily("tunedeck_tables_readable", "1 where the tables answer, else 0.", value=readable)


def exposition(gauges: Iterable[TableGauge] = ()) -> bytes:
    """Return all metrics in Prometheus' text format, version 0.0.4."""
    registry = CollectorRegistry()
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry.register(REGISTRY)
    registry.register(_Tables(gauges))
    return generate_latest(registry)
