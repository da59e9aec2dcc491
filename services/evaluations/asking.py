"""Asks both models every row of a test set that has no answer yet, several requests at a time."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from itertools import islice

from services.evaluations import runs, scoring
from services.evaluations.answers import LabelRule, Rule
from services.evaluations.inference import InferenceError, InferenceServer, messages_for
from services.evaluations.runs import Answer, LeaseLost, Run
from services.evaluations.test_set_rows import Row
from services.evaluations.test_sets import Spooled

_LOOK_S = 0.2
_BLOCK = 500

Ask = tuple[int, Row, str]
"""A row's number, the row, and which model is asked."""


class Asking:
    """One run's questions; the threads only ask, and what comes back is stored by the caller's thread alone."""

    def __init__(self, server: InferenceServer, run: Run, test_set: Spooled, rule: Rule, concurrency: int) -> None:
        self._server = server
        self._run = run
        self._test_set = test_set
        self._rule = rule
        self._labels = test_set.labels if isinstance(rule, LabelRule) else None
        self._concurrency = concurrency
        self._asks: queue.SimpleQueue[Ask | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()

    def run(self, lost: threading.Event, stopping: threading.Event) -> bool:
        """Ask all, or until too many rows ended in an error, storing each answer as it comes.

        False where ``stopping`` cut it short; raises LeaseLost where it is.
        """
        for number in range(self._concurrency):
            # Daemons: a request that hangs must not keep a worker that stops.
            threading.Thread(target=self._ask_all, name=f"ask-{number}", daemon=True).start()
        try:
            return self._feed(lost, stopping)
        finally:
            for _ in range(self._concurrency):
                self._asks.put(None)

    def _feed(self, lost: threading.Event, stopping: threading.Event) -> bool:
        asks = self._open_asks()
        in_flight = 0
        while True:
            if lost.is_set():
                raise LeaseLost
            if stopping.is_set():
                runs.store_answers(self._run, self._arrived(0))
                return False
            for ask in islice(asks, self._concurrency - in_flight):
                self._asks.put(ask)
                in_flight += 1
            if not in_flight:
                return True
            answers = self._arrived(_LOOK_S)
            in_flight -= len(answers)
            if answers and runs.store_answers(self._run, answers):
                return True

    def _arrived(self, wait_s: float) -> list[Answer]:
        """Return the answers that are there, waiting a moment for the first one."""
        answers: list[Answer] = []
        try:
            answers.append(self._answers.get(timeout=wait_s) if wait_s else self._answers.get_nowait())
            while True:
                answers.append(self._answers.get_nowait())
        except queue.Empty:
            return answers

    def _open_asks(self) -> Iterator[Ask]:
        """Yield what was not answered in an earlier run, the two models in turn."""
        rows = enumerate(self._test_set.rows())
        while block := list(islice(rows, _BLOCK)):
            known = runs.answered(self._run, block[0][0], block[-1][0])
            for number, row in block:
                for side in scoring.SIDES:
                    if (number, side) not in known:
                        yield number, row, side

    def _ask_all(self) -> None:
        while (ask := self._asks.get()) is not None:
            number, row, side = ask
            try:
                completion = self._server.complete(self._run.names[side], messages_for(row.input, self._labels))
                is_correct = self._rule.read(completion.text, row.expected).answer == self._rule.label(row.expected)
                self._answers.put(Answer(number, side, row, completion.text, completion.ms, is_correct))
            except InferenceError as error:
                self._answers.put(Answer(number, side, row, error=error.reason, message=str(error)))
