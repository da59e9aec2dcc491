"""Congestion control: how many requests of a run are in flight, and how long it waits for a server that answers none.

Additive increase and multiplicative decrease (Chiu and Jain 1989, Computer Networks 17:1-14): each round of answers
adds one request in flight, a refusal (429, 503, no connection) halves them and holds all back for a moment.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import gevent

from services.evaluations.worker.inference_errors import InferenceError, ServerAway

_SHORT_PAUSE_S = 0.1
_SHORT_PAUSES = 20
"""A limit of so many a second is over in a moment: as many refusals in a row cost a short pause, then ever longer."""
_LONGEST_PAUSE_S = 30.0
_LONGEST_WAIT_S = 300.0
"""More than that a server's Retry-After does not get."""
_LOOK_S = 0.02
_TOLD_AFTER_S = 2.0
_AWAY = frozenset({"timeout", "connection"})


class Congestion:
    """The requests in flight of one run, at most ``most``; ``waiting_since`` if it waited for the server before."""

    def __init__(self, most: int, patience_s: float, waiting_since: datetime | None = None) -> None:
        self._most = most
        self._patience_s = patience_s
        self._limit = float(most)
        self._in_flight = 0
        self._opens_at = 0.0
        self._refusals = 0
        waited = None if waiting_since is None else (datetime.now(UTC) - waiting_since).total_seconds()
        self._since = None if waited is None else time.monotonic() - waited
        """When the server began to answer nothing; None while it answers."""
        self._cause = "it gives no answer"

    @contextmanager
    def in_flight(self) -> Iterator[None]:
        """Count a request as in flight during the block; wait for its turn before."""
        while (pause := self._opens_at - time.monotonic()) > 0 or self._in_flight >= int(self._limit):
            gevent.sleep(max(pause, _LOOK_S))
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1

    def note_answer(self) -> None:
        """Note that the server answers, be it with an error of the row's."""
        self._limit = min(self._limit + 1 / self._limit, self._most)
        self._refusals, self._since = 0, None

    def note_failure(self, error: InferenceError, began: float) -> None:
        """Note a request that failed, sent at ``began``; ServerAway once the run's patience is over."""
        if error.reason not in _AWAY and not error.busy:
            self.note_answer()
            return
        if self._since is None:
            self._since = began
        self._cause = str(error)
        if time.monotonic() - self._since > self._patience_s:
            raise ServerAway(self._cause)
        if error.busy and began >= self._opens_at:
            # The others of the same round are refused for the same cause.
            self._limit = max(self._limit / 2, 1.0)
            self._refusals += 1
            exponent = min(max(self._refusals - _SHORT_PAUSES, 0), 10)
            pause = min(_SHORT_PAUSE_S * 2**exponent, _LONGEST_PAUSE_S)
            self._opens_at = time.monotonic() + pause
        if error.retry_after is not None:
            wait = min(error.retry_after, _LONGEST_WAIT_S)
            self._opens_at = max(self._opens_at, time.monotonic() + wait)

    def waited_s(self) -> float:
        """Return for how long the server has answered nothing."""
        return 0.0 if self._since is None else time.monotonic() - self._since

    def message(self) -> str | None:
        """Return what the run waits for, None where it goes on."""
        return f"waiting for the server: {self._cause}" if self.waited_s() > _TOLD_AFTER_S else None
