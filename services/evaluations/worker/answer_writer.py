"""Stores answers in batches: whatever has arrived in one short transaction, guarded by the lease's token."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from services.evaluations import telemetry
from services.evaluations.datasets.row_shapes import Row
from services.evaluations.scoring import metrics
from services.evaluations.scoring.choose_grader import Grader
from services.evaluations.scoring.judging import JudgeGrader
from services.evaluations.tables import Evaluation, Example, connected, database
from services.evaluations.worker.run_end import exceeds_error_budget
from shared.database.queries import tuples
from shared.lease import LeaseLost


class Answer(NamedTuple):
    """One model's answer to one row: an output that took ``ms`` milliseconds, or ``error``, the reason in a word."""

    row: int
    role: str
    text: Row
    output: str | None = None
    ms: float | None = None
    is_correct: bool | None = None
    error: str | None = None
    message: str | None = None
    truncated: bool | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    score: float | None = None


def graded(answer: Answer, grader: Grader) -> Answer:
    """Return an answer with its grade; a judge's comes later."""
    if isinstance(grader, JudgeGrader):
        return answer
    grade = grader.grade(answer.output or "", answer.text.expected, truncated=bool(answer.truncated))
    is_correct = grade.answer == grader.label(answer.text.expected)
    return answer._replace(is_correct=is_correct, score=grade.score)


_OF_ANSWERS = ("output", "correct", "ms", "error", "message", "truncated", "input_tokens", "output_tokens", "score")
_OWN_COLUMNS = tuple(f"{role}_{name}" for role in metrics.ROLES for name in _OF_ANSWERS)
_COLUMNS = ("evaluation_id", '"row"', "input", "expected", *_OWN_COLUMNS, "done", "winner", "error", "error_message")
_COMPLETE = 'ON CONFLICT (evaluation_id, "row") DO UPDATE SET ' + ", ".join(
    [f"{name} = COALESCE(example.{name}, excluded.{name})" for name in (*_OWN_COLUMNS, "error", "error_message")]
    + [f"{name} = excluded.{name}" for name in ("done", "winner")]
)
"""A row is inserted with its first answer and completed by its second."""

_NO_ANSWER = (None,) * len(_OF_ANSWERS)
_HALF = ("output", "correct", "error", "truncated", "score")
_Half = tuple[float | None, str | None, bool | None]
_Known = dict[tuple[int, str], _Half]
"""By row and role: whether the answer is correct, or its score; its error (one is None); was it truncated."""


class AnswerWriter:
    """Writes the answers of a run that has begun, and counts them, the rows that are done and those in error."""

    def __init__(self, run: Evaluation, *, judged: bool = False) -> None:
        self._run = run
        self._is_alone = len(run.roles) == 1
        self._is_judged = judged
        self._errors, self._truncated = run.errors, run.truncated
        self._asked: tuple[str, ...] = ()
        self._halves: _Known = {}
        """The first answers of rows whose second one is due in this pass."""

    def begin_pass(self, asked: tuple[str, ...]) -> None:
        """Begin a pass that asks these roles."""
        self._asked = asked
        self._halves.clear()

    def open_roles(self, first: int, last: int) -> Callable[[int, str], bool]:
        """Return a predicate of the rows ``first`` to ``last``: whether a row has no answer of a role yet."""
        known = _read(self._run, first, last)
        for (row, role), half in known.items():
            if _other(role) in self._asked and (row, _other(role)) not in known:
                self._halves[row, role] = half
        return lambda row, role: (row, role) not in known

    def _is_done(self, answer: Answer, other: _Half | None) -> bool:
        """Say whether an answer is the last thing that its row waits for: a judge comes after two good ones."""
        if other is None:
            return self._is_alone
        return not self._is_judged or answer.error is not None or other[1] is not None

    @connected
    def store(self, answers: Sequence[Answer], *, copied: bool = False) -> bool:
        """Store answers in one transaction; True once the error budget is exceeded, or too many generations were cut.

        The statements are written out: peewee would spend more time on making them than the rest of a request takes.
        Nothing has to be read, for the database adds the counts up.
        """
        halves, rows = self._halves, []
        done = errors = truncated = 0
        for answer in answers:
            other = halves.pop((answer.row, _other(answer.role)), None)
            if other is None and _other(answer.role) in self._asked:
                halves[answer.row, answer.role] = _worth(answer), answer.error, answer.truncated
            is_done = self._is_done(answer, other)
            done += is_done
            # An error counts at once: where the models are asked one after the other its row is not done for hours.
            errors += answer.error is not None and (other is None or other[1] is None)
            truncated += bool(answer.truncated and (other is None or not other[2]))
            rows.append(_values(self._run, answer, other, is_done=is_done))
        # In one order, for a worker that lost the lease may send the same rows before it knows, and drop them then.
        rows.sort(key=itemgetter(1))
        mark = database.param
        counts = {
            "done": done,
            "errors": errors,
            "truncated": truncated,
            # No verdict comes on a row that is done without one.
            "answers": len(answers) + (done if self._is_judged else 0),
            # What is not asked for says nothing of how long the rest takes.
            "taken_answers": len(answers) if copied else 0,
        }
        assigned = ", ".join(f"{name} = {name} + {mark}" for name in counts)
        count = f"UPDATE evaluation SET {assigned} WHERE id = {mark} AND lease_token = {mark}"
        with database.atomic():
            # First of all, for it holds the evaluation's row until the end.
            with database.pipelined():
                counted = database.execute_sql(count, (*counts.values(), self._run.id, self._run.lease_token))
                database.insert_rows(Example, _COLUMNS, rows, _COMPLETE)
            if counted.rowcount != 1:
                raise LeaseLost
        self._errors += errors
        self._truncated += truncated
        telemetry.answers_stored.inc(len(answers))
        telemetry.answer_errors.inc(sum(answer.error is not None for answer in answers))
        return exceeds_error_budget(max(self._errors, self._truncated), self._run.total, self._run.max_error_rate)


@connected
def _read(run: Evaluation, first: int, last: int) -> _Known:
    in_range = (Example.evaluation_id == run.id) & (Example.row >= first) & (Example.row <= last)
    known: _Known = {}
    for role in metrics.ROLES:
        output, correct, error, cut, score = (getattr(Example, f"{role}_{name}") for name in _HALF)
        query = Example.select(Example.row, correct, error, cut, score).where(
            in_range, output.is_null(False) | error.is_null(False)
        )
        for row, is_correct, reason, was_cut, scored in tuples(query):
            known[row, role] = is_correct if scored is None else scored, reason, was_cut
    return known


def _other(role: str) -> str:
    base_model, fine_tuned = metrics.ROLES
    return fine_tuned if role == base_model else base_model


def _worth(answer: Answer) -> float | None:
    """Return by what an answer wins or loses: its score where it has one, else whether it is correct."""
    return answer.is_correct if answer.score is None else answer.score


def _values(run: Evaluation, answer: Answer, other: _Half | None, *, is_done: bool) -> tuple[Any, ...]:
    own = (answer.output, answer.is_correct, answer.ms, *answer[6:])
    correct = _worth(answer), other[0] if other else None
    is_first = answer.role == metrics.ROLES[0]
    winner = metrics.winner(*correct if is_first else correct[::-1]) if is_done else None
    text = (run.id, answer.row, answer.text.input, answer.text.expected)
    both = (*own, *_NO_ANSWER) if is_first else (*_NO_ANSWER, *own)
    return (*text, *both, is_done, winner, answer.error, answer.message)
