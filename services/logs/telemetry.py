"""What an operator watches of the logs service, beside what every service counts."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

open_streams = Gauge("tunedeck_streams_open", "Streams that are open now.", multiprocess_mode="livesum")
streams_limit = Gauge("tunedeck_streams_limit", "Streams that can be open.", multiprocess_mode="livesum")
streams_refused = Counter("tunedeck_streams_refused", "Streams told to come back because their process is full.")
lines_stored = Counter("tunedeck_lines_stored", "Lines stored.")
lines_streamed = Counter("tunedeck_lines_streamed", "Lines that streams went through, filtered ones included.")
lines_read = Counter("tunedeck_lines_read", "Lines sent in pages and text files.")
points_stored = Counter("tunedeck_points_stored", "Metric points stored.")
points_read = Counter("tunedeck_points_read", "Metric points sent.")
commits = Counter("tunedeck_commits", "Transactions that stored lines.")
batches_replayed = Counter("tunedeck_batches_replayed", "Batches that were stored already under their key.")
write_timeouts = Counter("tunedeck_stream_write_timeouts", "Clients cut off because they read nothing.")
subscriptions = Counter("tunedeck_subscriptions", "Subscriptions to Redis; a worker's second means that one was lost.")
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
