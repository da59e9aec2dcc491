"""Stores a judge's verdicts in batches, guarded by the lease's token; a row is done with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from services.evaluations.example_blocks import read_blocks
from services.evaluations.scoring.judging import SCORES, Judgement, settle
from services.evaluations.tables import Evaluation, Example, connected, database
from services.evaluations.worker.claims import is_held
from services.evaluations.worker.run_end import exceeds_error_budget
from shared.lease import LeaseLost

_BLOCK = 100


class Judged(NamedTuple):
    """A row that waits for its judge: what was asked and expected, and both answers."""

    row: int
    input: str
    expected: str
    base_model: str
    fine_tuned: str


class JudgementWriter:
    """Reads the rows that wait for a verdict, writes the verdicts, and counts the rows that are done and in error.

    ``run`` is as it is now, with what was counted so far.
    """

    def __init__(self, run: Evaluation) -> None:
        self._run = run
        self._done, self._errors, self._answers = run.done, run.errors, run.answers

    def open_rows(self) -> Iterator[Judged]:
        """Yield the rows that have both answers and no verdict, in their order."""
        answers = (Example.base_model_output, Example.fine_tuned_output)
        waiting = ~Example.done & answers[0].is_null(False) & answers[1].is_null(False)
        for block in read_blocks(self._run.id, (Example.input, Example.expected, *answers), _BLOCK, waiting):
            yield from map(Judged._make, block)

    @connected
    def store(self, judgements: Sequence[Judgement]) -> bool:
        """Store judgements in one transaction; True once the error budget is exceeded."""
        done = self._done + len(judgements)
        answers = self._answers + len(judgements)
        errors = self._errors + sum(judgement.error is not None for judgement in judgements)
        with database.atomic():
            # First of all, for it holds the evaluation's row until the end.
            if Evaluation.update(done=done, errors=errors, answers=answers).where(is_held(self._run)).execute() != 1:
                raise LeaseLost
            for judgement in judgements:
                own = (Example.evaluation_id == self._run.id) & (Example.row == judgement.row)
                Example.update(**_values(judgement)).where(own).execute()
        self._done, self._errors, self._answers = done, errors, answers
        return exceeds_error_budget(errors, self._run.total, self._run.max_error_rate)


def _values(judgement: Judgement) -> dict[str, Any]:
    values: dict[str, Any] = {
        "done": True,
        "judge_base_first": judgement.base_first,
        "judge_tuned_first": judgement.tuned_first,
        "judge_error": judgement.error,
        "judge_input_tokens": judgement.tokens.input,
        "judge_output_tokens": judgement.tokens.output,
    }
    if judgement.base_first is None or judgement.tuned_first is None:
        return values | {"error": judgement.error, "error_message": judgement.message}
    winner = settle(judgement.base_first, judgement.tuned_first)
    base, tuned = SCORES[winner]
    return values | {
        "winner": winner,
        "base_model_score": base,
        "fine_tuned_score": tuned,
    }
