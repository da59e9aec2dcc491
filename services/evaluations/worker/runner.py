"""Asks both models every row of a test set that has no answer yet, several requests at a time."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from itertools import chain, islice
from typing import NamedTuple

from services.evaluations.datasets.parser import Row
from services.evaluations.datasets.test_sets import Spooled
from services.evaluations.scoring.graders import LabelRule, Rule
from services.evaluations.scoring.metrics import SIDES
from services.evaluations.settings import Order
from services.evaluations.worker.answer_writer import Answer, Rows
from services.evaluations.worker.claims import Run
from services.evaluations.worker.inference_client import InferenceError, InferenceServer, messages_for
from shared.lease import LeaseLost

_LOOK_S = 0.2
_BLOCK = 500


class Pass(NamedTuple):
    """One way through the rows: the models that are asked, and those that are first greeted, the last one last."""

    asked: tuple[str, ...]
    greeted: tuple[str, ...]


_PASSES: dict[Order, tuple[Pass, ...]] = {
    "interleave": (Pass(SIDES, SIDES),),
    # A name that the server does not know should not cost a pass over the rows to find out.
    "blocks": (Pass(("base_model",), ("fine_tuned", "base_model")), Pass(("fine_tuned",), ("fine_tuned",))),
}
"""In turn where both models stay loaded, else one after the other."""

Ask = tuple[int, Row, str]
"""A row's number, the row, and which model is asked."""


class Asking:
    """One run's questions; the threads only ask, and what comes back is stored by the caller's thread alone."""

    def __init__(
        self,
        server: InferenceServer,
        run: Run,
        rows: Rows,
        test_set: Spooled,
        rule: Rule,
        *,
        order: Order,
        concurrency: int,
        lost: threading.Event,
        stopping: threading.Event,
    ) -> None:
        self._server = server
        self._run = run
        self._rows = rows
        self._test_set = test_set
        self._rule = rule
        self._labels = test_set.labels if isinstance(rule, LabelRule) else None
        self._order = order
        self._concurrency = concurrency
        self._lost = lost
        self._stopping = stopping
        self._asks: queue.SimpleQueue[Ask | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Answer | Exception] = queue.SimpleQueue()
        self._is_hopeless = False

    def run(self) -> bool:
        """Ask all, or until too many rows ended in an error, storing each answer as it comes.

        False where the worker is to stop; raises LeaseLost where it is, UnknownModel or InferenceError where the
        models cannot be asked at all.
        """
        for number in range(self._concurrency):
            # Daemons: a request that hangs must not keep a worker that stops.
            threading.Thread(target=self._ask_all, name=f"ask-{number}", daemon=True).start()
        try:
            return all(self._go_through(each) for each in _PASSES[self._order])
        finally:
            for _ in range(self._concurrency):
                self._asks.put(None)

    def _go_through(self, each: Pass) -> bool:
        self._rows.begin_pass(each.asked)
        asks = self._open_asks(each.asked)
        first = next(asks, None)
        if first is None or self._is_hopeless:
            return True
        greeted = [self._run.names[side] for side in each.greeted]
        return self._warm_up(greeted) and self._feed(chain([first], asks))

    def _warm_up(self, models: list[str]) -> bool:
        loading = _in_background(lambda: self._server.warm_up(*models))
        while not wait([loading], timeout=_LOOK_S).done:
            if self._lost.is_set():
                raise LeaseLost
            if self._stopping.is_set():
                return False
        loading.result()
        return True

    def _feed(self, asks: Iterator[Ask]) -> bool:
        in_flight = 0
        while True:
            if self._lost.is_set():
                raise LeaseLost
            if self._stopping.is_set():
                self._rows.store(self._arrived(0))
                return False
            for ask in islice(asks, self._concurrency - in_flight):
                self._asks.put(ask)
                in_flight += 1
            if not in_flight:
                return True
            answers = self._arrived(_LOOK_S)
            in_flight -= len(answers)
            if answers and self._rows.store(answers):
                self._is_hopeless = True
                return True

    def _arrived(self, wait_s: float) -> list[Answer]:
        """Return the answers that are there, waiting a moment for the first one."""
        answers: list[Answer] = []
        try:
            answers.append(_unless_raised(self._answers.get(timeout=wait_s) if wait_s else self._answers.get_nowait()))
            while True:
                answers.append(_unless_raised(self._answers.get_nowait()))
        except queue.Empty:
            return answers

    def _open_asks(self, sides: tuple[str, ...]) -> Iterator[Ask]:
        """Yield what was not answered in an earlier run, where there are two models now one first, now the other."""
        rows = enumerate(self._test_set.rows())
        while block := list(islice(rows, _BLOCK)):
            is_open = self._rows.open_sides(block[0][0], block[-1][0])
            for number, row in block:
                for side in sides if number % 2 == 0 else sides[::-1]:
                    if is_open(number, side):
                        yield number, row, side

    def _ask_all(self) -> None:
        while (ask := self._asks.get()) is not None:
            try:
                self._answers.put(self._ask(*ask))
            except Exception as error:  # whatever it is, it is the caller's
                self._answers.put(error)

    def _ask(self, number: int, row: Row, side: str) -> Answer:
        try:
            completion = self._server.complete(self._run.names[side], messages_for(row.input, self._labels))
        except InferenceError as error:
            return Answer(number, side, row, error=error.reason, message=str(error))
        is_correct = self._rule.read(completion.text, row.expected).answer == self._rule.label(row.expected)
        return Answer(number, side, row, completion.text, completion.ms, is_correct)


def _unless_raised(outcome: Answer | Exception) -> Answer:
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _in_background(call: Callable[[], object]) -> Future[object]:
    """Run a call in a daemon thread: one that hangs must not keep a worker that stops."""
    future: Future[object] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except Exception as error:  # whatever it is, it is the caller's
            future.set_exception(error)

    threading.Thread(target=run, name="background", daemon=True).start()
    return future
