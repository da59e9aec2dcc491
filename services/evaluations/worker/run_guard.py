"""Ends a run that is no longer wanted: its lease is lost, the worker stops, or another run could go on meanwhile."""

from __future__ import annotations

import threading
import time

from gevent.event import Event

from services.evaluations.tables import Evaluation
from services.evaluations.worker import claims, run_state
from services.evaluations.worker.congestion import Congestion
from shared.lease import LeaseLost

_YIELD_AFTER_S = 15.0
"""So long a run waits for a silent server before it makes room for another evaluation."""


class Stopped(Exception):
    """The worker is stopping; stored answers stay, and the next claim resumes from them."""


class Waits(Exception):
    """The server answers this run nothing, and another evaluation could go on meanwhile."""


class RunGuard:
    """Looks whether a run is wanted, and notes in its record what it waits for."""

    def __init__(self, run: Evaluation, congestion: Congestion, lost: threading.Event, stopping: Event) -> None:
        self._run = run
        self._congestion = congestion
        self._lost = lost
        self._stopping = stopping
        self._told = run.message
        self._looked_at = 0.0

    def require_wanted(self) -> None:
        """Raise LeaseLost, Stopped or Waits where the run is not to go on."""
        if self._lost.is_set():
            raise LeaseLost
        if self._stopping.is_set():
            raise Stopped
        message = self._congestion.message()
        if message != self._told:
            self._told = message
            run_state.note_waiting(self._run, message, self._congestion.waited_s())
        waits_long = message is not None and self._congestion.waited_s() > _YIELD_AFTER_S
        if waits_long and time.monotonic() - self._looked_at > 1:
            self._looked_at = time.monotonic()
            if claims.another_waits(self._run):
                raise Waits
