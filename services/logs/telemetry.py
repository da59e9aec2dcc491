"""What an operator watches of the logs service, for Prometheus at ``/metrics``: all workers of a machine together.

The workers count in files of one folder, PROMETHEUS_MULTIPROC_DIR, which gunicorn.conf.py makes.
"""

from __future__ import annotations

import os

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

open_streams = Gauge("tunedeck_streams_open", "Streams that are open now.", multiprocess_mode="livesum")
lines_stored = Counter("tunedeck_lines_stored", "Lines stored.")
commits = Counter("tunedeck_commits", "Transactions that stored lines.")
batches_replayed = Counter("tunedeck_batches_replayed", "Batches that were stored already under their key.")
write_timeouts = Counter("tunedeck_stream_write_timeouts", "Clients cut off because they read nothing.")
subscriptions = Counter("tunedeck_subscriptions", "Subscriptions to Redis; a worker's second means that one was lost.")
notifications_failed = Counter("tunedeck_notifications_failed", "Notifications that Redis did not take.")
ticks_found_lines = Counter(
    "tunedeck_ticks_found_lines", "Channels that the tick found lagging: a notification was lost."
)
lines_missing = Counter("tunedeck_lines_missing", "Times that a line did not follow the one before it: never.")
channel_lag = Gauge(
    "tunedeck_channel_lag_lines", "Lines by which the channel that lags most does so.", multiprocess_mode="livemax"
)
hub_stall = Histogram(
    "tunedeck_hub_stall_seconds",
    "By how much a greenlet that slept woke too late.",
    buckets=(0.001, 0.005, 0.02, 0.1, 0.5, 2.0),
)


def exposition() -> bytes:
    """Return all metrics in Prometheus' text format, version 0.0.4."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
