"""The metrics that every process has, and their exposition for Prometheus: all workers of a service together.

Workers count in files of one folder, PROMETHEUS_MULTIPROC_DIR, which gunicorn.conf.py makes.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import gevent
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

_READ_WITHIN_S = 2.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TableGauge:
    """A gauge that is read from the tables at each scrape; every replica shows the same."""

    name: str
    what: str
    read: Callable[[], float]


class _Tables(Collector):
    """The gauges that are read from the tables, and whether they could be."""

    def __init__(self, gauges: Sequence[TableGauge]) -> None:
        self._gauges = gauges

    def collect(self) -> Iterator[Metric]:
        # A database that hangs is known after longer than a scrape may take: the reading is left to itself then.
        reading = gevent.spawn(self._read)
        reading.join(_READ_WITHIN_S)
        values: list[float] | None = reading.value
        for gauge, value in zip(self._gauges, values or (), strict=False):
            yield GaugeMetricFamily(gauge.name, gauge.what, value=value)
        readable = int(values is not None)
        yield GaugeMetricFamily("tunedeck_tables_readable", "1 where the tables answer, else 0.", value=readable)

    def _read(self) -> list[float] | None:
        try:
            return [gauge.read() for gauge in self._gauges]
        except ServiceError as error:
            log.warning("the tables cannot be read: %s", error.message)
            return None


def exposition(gauges: Sequence[TableGauge] = ()) -> bytes:
    """Return all metrics in Prometheus' text format, version 0.0.4."""
    registry = CollectorRegistry()
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry.register(REGISTRY)
    registry.register(_Tables(gauges))
    return generate_latest(registry)
