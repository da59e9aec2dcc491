"""Runs an evaluation: asks the models every open row of the test set, many requests at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Any, NamedTuple

from services.evaluations.datasets.prompt_template import TemplateProblem
from services.evaluations.datasets.row_shapes import Row
from services.evaluations.datasets.spooled_set import Spooled
from services.evaluations.scoring.choose_grader import Grader
from services.evaluations.settings import Order
from services.evaluations.tables import Evaluation
from services.evaluations.worker import run_state
from services.evaluations.worker.answer_writer import Answer, AnswerWriter, graded
from services.evaluations.worker.dialects import Messages
from services.evaluations.worker.inference_client import InferenceClient
from services.evaluations.worker.inference_errors import InferenceError, storable
from services.evaluations.worker.prompts import Prompt
from services.evaluations.worker.request_pool import RequestPool

_BLOCK = 500


class Pass(NamedTuple):
    """A pass over the rows: the roles that are asked, and those that are warmed up first, in that order."""

    asked: tuple[str, ...]
    warmed_up: tuple[str, ...]


def plan_passes(roles: tuple[str, ...], order: Order) -> list[Pass]:
    """Return one pass that asks all roles where their models stay loaded, else one for each."""
    if order == "interleave" or len(roles) == 1:
        return [Pass(roles, roles)]
    # A name that the server does not know should not cost a pass over the rows to find out.
    return [Pass(roles[:1], roles[::-1]), *(Pass((role,), (role,)) for role in roles[1:])]


Ask = tuple[int, Row, str]
"""A row's number, the row, and the role of the model that is asked."""


class Runner:
    """Asks the models of a run, and stores each answer as it comes."""

    def __init__(
        self,
        inference: InferenceClient,
        prompt: Prompt,
        parameters: dict[str, dict[str, Any]],
        run: Evaluation,
        rows: AnswerWriter,
        test_set: Spooled,
        grader: Grader,
        *,
        order: Order,
        take_over: Callable[[], None] | None = None,
    ) -> None:
        self._inference = inference
        self._prompt = prompt
        self._parameters = parameters
        self._run = run
        self._rows = rows
        self._test_set = test_set
        self._grader = grader
        self._order = order
        self._take_over = take_over
        """Called once the base was warmed up: it may store answers that then are not asked for."""

    def ask_all(self, pool: RequestPool) -> bool:
        """Ask every open row; True where the error budget is exceeded before the end. Raises what the pool does."""
        return any(self._go_through(each, pool) for each in plan_passes(self._run.roles, self._order))

    def _go_through(self, each: Pass, pool: RequestPool) -> bool:
        self._rows.begin_pass(each.asked)
        asks = self._open_asks(each.asked)
        first = next(asks, None)
        if first is None:
            return False
        self._warm_up(each.warmed_up, first[1], pool)
        if self._take_over is not None and "base_model" in each.warmed_up:
            self._take_over()
            self._take_over = None
            self._rows.begin_pass(each.asked)
            return pool.send(self._open_asks(each.asked), self._ask, self._rows.store)
        return pool.send(chain([first], asks), self._ask, self._rows.store)

    def _warm_up(self, roles: tuple[str, ...], row: Row, pool: RequestPool) -> None:
        pool.warm_up(self._greet, roles, self._prompt.warm_up(row))
        asked = self._inference.describe({role: self._run.names[role] for role in roles})
        run_state.note_asked(self._run, asked | {"first_request": self._prompt.first_request(row)})

    def _greet(self, roles: tuple[str, ...], messages: Messages) -> None:
        names = self._run.names
        for role in roles:
            self._inference.warm_up(names[role], messages, self._parameters[role])
        self._inference.require_two([names[role] for role in roles])

    def _open_asks(self, roles: tuple[str, ...]) -> Iterator[Ask]:
        """Yield what no earlier run has an answer to; of two roles each goes first in every other row."""
        rows = enumerate(self._test_set.rows())
        while block := list(islice(rows, _BLOCK)):
            is_open = self._rows.open_roles(block[0][0], block[-1][0])
            for number, row in block:
                for role in roles if number % 2 == 0 else roles[::-1]:
                    if is_open(number, role):
                        yield number, row, role

    def _ask(self, ask: Ask) -> Answer:
        number, row, role = ask
        try:
            messages = self._prompt.messages(row)
            completion = self._inference.complete(self._run.names[role], messages, self._parameters[role])
        except TemplateProblem as error:
            return Answer(number, role, row, error="template", message=storable(f"The prompt's template: {error}"))
        except InferenceError as error:
            return Answer(number, role, row, error=error.reason, message=str(error))
        answer = Answer(
            number,
            role,
            row,
            completion.text,
            completion.ms,
            truncated=completion.truncated,
            input_tokens=completion.input_tokens,
            output_tokens=completion.output_tokens,
        )
        return graded(answer, self._grader)
