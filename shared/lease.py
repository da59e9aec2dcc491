"""Keeps a lease in a table alive while its holder works, and says when it was lost."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from shared.errors import Unavailable
from shared.telemetry.metrics import leases_lost

LEASE = timedelta(seconds=10)
"""How long a lease outlives a holder that was killed."""

HEARTBEAT_S = 2.5

log = logging.getLogger(__name__)


class LeaseLost(Exception):
    """Another process may hold the lease by now: what this one has is dropped."""


def lease_end() -> datetime:
    """Return until when a lease counts that is claimed or renewed now."""
    return datetime.now(UTC) + LEASE


@contextmanager
def kept_alive(renew: Callable[[], bool], *, every_s: float = HEARTBEAT_S) -> Iterator[threading.Event]:
    """Call ``renew`` every ``every_s`` seconds during the block; the event is set once one says False: lost.

    From a thread of its own, so that something that stalls does not cost the lease.
    """
    lost = threading.Event()
    done = threading.Event()

    def beat() -> None:
        while not done.wait(every_s):
            try:
                if not renew():
                    leases_lost.inc()
                    lost.set()
                    return
            except Unavailable as error:
                log.warning("A lease could not be renewed: %s", error)

    threading.Thread(target=beat, name="heartbeat", daemon=True).start()
    try:
        yield lost
    finally:
        done.set()
