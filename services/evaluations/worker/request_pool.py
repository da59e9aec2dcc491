"""A pool of greenlets that sends a run's requests, while the caller's own greenlet stores what comes back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Self, TypeVar

import gevent
from gevent.pool import Pool
from gevent.queue import Empty, SimpleQueue
from gevent.util import wrap_errors

from services.evaluations.worker.inference_errors import InferenceError, ServerAway, UnknownModel
from services.evaluations.worker.run_guard import RunGuard

_LOOK_S = 0.2
_GATHER_S = 0.001

Ask = TypeVar("Ask")
Outcome = TypeVar("Outcome")


class RequestPool:
    """At most ``size`` requests are in flight, and twice as many are taken up: some are sent while others are stored.

    A kill costs what is in flight and what is being stored.
    Each method raises what the guard does, UnknownModel, InferenceError or ServerAway; what is in flight is dropped
    with the block.
    """

    def __init__(self, size: int, guard: RunGuard) -> None:
        self._size = size
        self._guard = guard
        self._greenlets = Pool()
        self._asks: SimpleQueue[tuple[Callable[[Any], Any], Any]] = SimpleQueue()
        self._outcomes: SimpleQueue[Any] = SimpleQueue()

    def __enter__(self) -> Self:
        for _ in range(self._size):
            self._greenlets.spawn(self._serve)
        return self

    def __exit__(self, *exception: object) -> None:
        self._greenlets.kill()

    def warm_up(self, function: Callable[..., None], *arguments: Any) -> None:
        """Call a function in a greenlet of its own, for as long as the run is wanted."""
        caught = wrap_errors((UnknownModel, InferenceError, ServerAway), function)
        warming = self._greenlets.spawn(caught, *arguments)
        while not warming.ready():
            warming.join(_LOOK_S)
            self._guard.require_wanted()
        if (error := warming.get()) is not None:
            raise error

    def send(self, asks: Iterator[Ask], send: Callable[[Ask], Outcome], store: Callable[[list[Outcome]], bool]) -> bool:
        """Send all and store each outcome as it comes; True once ``store`` says that it is enough."""
        pending = 0
        while True:
            self._guard.require_wanted()
            for ask in islice(asks, 2 * self._size - pending):
                self._asks.put((send, ask))
                pending += 1
            if not pending:
                return False
            outcomes = self._arrived()
            pending -= len(outcomes)
            if outcomes and store(outcomes):
                return True

    def _arrived(self) -> list[Any]:
        """Return the outcomes that have arrived; wait a moment for the first one."""
        outcomes: list[Any] = []
        try:
            outcomes.append(_unless_raised(self._outcomes.get(timeout=_LOOK_S)))
            # Those that are about to come go along: a transaction costs more than to read a dozen answers.
            gevent.sleep(_GATHER_S)
            while True:
                outcomes.append(_unless_raised(self._outcomes.get_nowait()))
        except Empty:
            return outcomes

    def _serve(self) -> None:
        while True:
            send, ask = self._asks.get()
            try:
                outcome = send(ask)
            except Exception as error:  # whatever it is, it is the caller's
                outcome = error
            self._outcomes.put(outcome)


def _unless_raised(outcome: Any) -> Any:
    if isinstance(outcome, Exception):
        raise outcome
    return outcome
