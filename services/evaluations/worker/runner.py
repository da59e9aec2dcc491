"""Runs an evaluation: asks both models every open row of the test set, many requests at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any, NamedTuple

import gevent
from gevent.event import Event
from gevent.pool import Pool
from gevent.queue import Empty, SimpleQueue
from gevent.util import wrap_errors

from services.evaluations.datasets.prompt_template import TemplateProblem
from services.evaluations.datasets.row_shapes import Row
from services.evaluations.datasets.test_sets import Spooled
from services.evaluations.scoring.graders import Grader
from services.evaluations.scoring.metrics import ROLES
from services.evaluations.settings import Order
from services.evaluations.worker import claims
from services.evaluations.worker.answer_writer import Answer, AnswerWriter
from services.evaluations.worker.claims import Run
from services.evaluations.worker.congestion import Congestion
from services.evaluations.worker.dialects import Messages
from services.evaluations.worker.inference_client import InferenceClient
from services.evaluations.worker.inference_errors import InferenceError, ServerAway, UnknownModel, storable
from services.evaluations.worker.prompts import Prompt
from shared.lease import LeaseLost

_LOOK_S = 0.2
_BLOCK = 500
_YIELD_AFTER_S = 15.0
"""So long a run waits for a silent server before it makes room for another evaluation."""


class Pass(NamedTuple):
    """A pass over the rows: the roles that are asked, and those that are warmed up first, in that order."""

    asked: tuple[str, ...]
    warmed_up: tuple[str, ...]


_PASSES: dict[Order, tuple[Pass, ...]] = {
    "interleave": (Pass(ROLES, ROLES),),
    # A name that the server does not know should not cost a pass over the rows to find out.
    "blocks": (Pass(("base_model",), ("fine_tuned", "base_model")), Pass(("fine_tuned",), ("fine_tuned",))),
}
"""Interleaved where both models stay loaded, else in blocks."""

Ask = tuple[int, Row, str]
"""A row's number, the row, and the role of the model that is asked."""


class Stopped(Exception):
    """The worker is stopping; stored answers stay, and the next claim resumes from them."""


class Waits(Exception):
    """The server answers this run nothing, and another evaluation could go on meanwhile."""


class Runner:
    """Sends a run's requests from a pool of greenlets, and stores the answers from the caller's own.

    At most ``concurrency`` answers are asked for and not stored yet: that is what a kill can cost.
    """

    def __init__(
        self,
        inference: InferenceClient,
        congestion: Congestion,
        prompt: Prompt,
        parameters: dict[str, dict[str, Any]],
        run: Run,
        rows: AnswerWriter,
        test_set: Spooled,
        grader: Grader,
        *,
        order: Order,
        concurrency: int,
        lost: threading.Event,
        stopping: Event,
    ) -> None:
        self._inference = inference
        self._congestion = congestion
        self._prompt = prompt
        self._parameters = parameters
        self._run = run
        self._rows = rows
        self._test_set = test_set
        self._grader = grader
        self._order = order
        self._lost = lost
        self._stopping = stopping
        self._concurrency = concurrency
        self._greenlets = Pool()
        self._asks: SimpleQueue[Ask] = SimpleQueue()
        self._answers: SimpleQueue[Answer | Exception] = SimpleQueue()
        self._over_budget = False
        self._told: str | None = None
        self._looked_at = 0.0

    def ask_all(self) -> None:
        """Ask every open row, or until the error budget is exceeded, and store each answer as it comes.

        Raises Stopped, LeaseLost or Waits, and UnknownModel, InferenceError or ServerAway where the models cannot be
        asked at all; what is in flight then is dropped.
        """
        for _ in range(self._concurrency):
            self._greenlets.spawn(self._ask_on)
        try:
            for each in _PASSES[self._order]:
                self._go_through(each)
        finally:
            self._greenlets.kill()

    def _go_through(self, each: Pass) -> None:
        self._rows.begin_pass(each.asked)
        asks = self._open_asks(each.asked)
        first = next(asks, None)
        if first is not None and not self._over_budget:
            self._warm_up(each.warmed_up, first)
            self._feed(chain([first], asks))

    def _warm_up(self, roles: tuple[str, ...], first: Ask) -> None:
        warm_up = wrap_errors((UnknownModel, InferenceError, ServerAway), self._greet)
        warming = self._greenlets.spawn(warm_up, roles, self._prompt.warm_up(first[1]))
        while not warming.ready():
            warming.join(_LOOK_S)
            self._require_wanted()
        if (error := warming.get()) is not None:
            raise error
        names = self._run.names
        adapted = {role: said for role in roles if (said := self._inference.adaptations(names[role]))}
        claims.note_asked(self._run, {"adapted": adapted, "first_request": self._prompt.first_request(first[1])})

    def _greet(self, roles: tuple[str, ...], messages: Messages) -> None:
        names = self._run.names
        for role in roles:
            self._inference.warm_up(names[role], messages, self._parameters[role])
        self._inference.require_two([names[role] for role in roles])

    def _feed(self, asks: Iterator[Ask]) -> None:
        in_flight = 0
        while True:
            self._require_wanted()
            for ask in islice(asks, self._concurrency - in_flight):
                self._asks.put(ask)
                in_flight += 1
            if not in_flight:
                return
            answers = self._arrived()
            in_flight -= len(answers)
            if answers and self._rows.store(answers):
                self._over_budget = True
                return

    def _require_wanted(self) -> None:
        if self._lost.is_set():
            raise LeaseLost
        if self._stopping.is_set():
            raise Stopped
        message = self._congestion.message()
        if message != self._told:
            self._told = message
            claims.note_waiting(self._run, message, self._congestion.waited_s())
        if message is not None and self._congestion.waited_s() > _YIELD_AFTER_S:
            self._make_room()

    def _make_room(self) -> None:
        if time.monotonic() - self._looked_at > 1:
            self._looked_at = time.monotonic()
            if claims.another_waits(self._run):
                raise Waits

    def _arrived(self) -> list[Answer]:
        """Return the answers that have arrived; wait a moment for the first one."""
        answers: list[Answer] = []
        try:
            answers.append(_unless_raised(self._answers.get(timeout=_LOOK_S)))
            # Those whose bytes are there come along: a transaction costs more than to read a dozen answers.
            gevent.idle()
            while True:
                answers.append(_unless_raised(self._answers.get_nowait()))
        except Empty:
            return answers

    def _open_asks(self, roles: tuple[str, ...]) -> Iterator[Ask]:
        """Yield what no earlier run has an answer to; of two roles each goes first in every other row."""
        rows = enumerate(self._test_set.rows())
        while block := list(islice(rows, _BLOCK)):
            is_open = self._rows.open_roles(block[0][0], block[-1][0])
            for number, row in block:
                for role in roles if number % 2 == 0 else roles[::-1]:
                    if is_open(number, role):
                        yield number, row, role

    def _ask_on(self) -> None:
        ask = wrap_errors(Exception, self._ask)  # whatever it is, it is the caller's
        while True:
            self._answers.put(ask(*self._asks.get()))

    def _ask(self, number: int, row: Row, role: str) -> Answer:
        try:
            messages = self._prompt.messages(row)
            completion = self._inference.complete(self._run.names[role], messages, self._parameters[role])
        except TemplateProblem as error:
            return Answer(number, role, row, error="template", message=storable(f"The prompt's template: {error}"))
        except InferenceError as error:
            return Answer(number, role, row, error=error.reason, message=str(error))
        grade = self._grader.grade(completion.text, row.expected, truncated=completion.truncated)
        return Answer(
            number,
            role,
            row,
            completion.text,
            completion.ms,
            grade.answer == self._grader.label(row.expected),
            truncated=completion.truncated,
            input_tokens=completion.input_tokens,
            output_tokens=completion.output_tokens,
            score=grade.score,
        )


def _unless_raised(outcome: Answer | Exception) -> Answer:
    if isinstance(outcome, Exception):
        raise outcome
    return outcome
