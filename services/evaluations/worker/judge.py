"""The judge of a run: a model of the same server says of each row which answer is better, asked in both orders.

Its verdicts are stored in batches, guarded by the lease's token; a row is done with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from services.evaluations.example_blocks import read_blocks
from services.evaluations.scoring.judging import SCORES, Judgement, judge_messages, read_verdict, settle
from services.evaluations.scoring.metrics import Tokens
from services.evaluations.tables import Evaluation, Example, connected, database
from services.evaluations.worker import generation, run_state
from services.evaluations.worker.claims import is_held
from services.evaluations.worker.dialects import Messages
from services.evaluations.worker.inference_client import InferenceClient
from services.evaluations.worker.inference_errors import InferenceError, storable
from services.evaluations.worker.request_pool import RequestPool
from services.evaluations.worker.run_end import exceeds_error_budget
from shared.lease import LeaseLost

_ORDERS = (("base_model", "fine_tuned"), ("fine_tuned", "base_model"))
_SHOWN_CHARACTERS = 200
_BLOCK = 100


class Judged(NamedTuple):
    """A row that waits for its judge: what was asked and expected, and both answers."""

    row: int
    input: str
    expected: str
    base_model: str
    fine_tuned: str


class Judge:
    """Asks for the verdicts of a run and stores each row's as it comes; safe to ask from many greenlets."""

    def __init__(self, inference: InferenceClient, run: Evaluation) -> None:
        wanted = run.scoring_parameters or {}
        self._inference = inference
        self._run = run
        self._model: str = wanted["model"]
        self._rubric: str | None = wanted.get("rubric")
        (self._parameters,) = generation.parameters(None, ("judge",)).values()

    def warm_up(self, pool: RequestPool) -> None:
        """Have the server load the judge, before hours go into answers for a judge that it does not know."""
        system, user = judge_messages(self._rubric, "", "", "", "")
        messages = [system, {**user, "content": "Hello"}]
        pool.warm_up(self._inference.warm_up, self._model, messages, self._parameters)
        described = {"model": self._model, "parameters": self._parameters, "system": system["content"]}
        adapted = self._inference.adaptations(self._model)
        run_state.note_asked(self._run, {"judge": described | {"adapted": adapted}})

    def judge_all(self, pool: RequestPool) -> bool:
        """Judge every row that waits for it; True where the error budget is exceeded before the end."""
        self._run = run_state.find_present(self._run)
        self._errors = self._run.errors
        return pool.send(self._open_rows(), self._judge, self._store)

    def _open_rows(self) -> Iterator[Judged]:
        """Yield the rows that have both answers and no verdict, in their order."""
        answers = (Example.base_model_output, Example.fine_tuned_output)
        waiting = ~Example.done & answers[0].is_null(False) & answers[1].is_null(False)
        for block in read_blocks(self._run.id, (Example.input, Example.expected, *answers), _BLOCK, waiting):
            yield from map(Judged._make, block)

    def _judge(self, row: Judged) -> Judgement:
        verdicts: list[str] = []
        tokens = Tokens()
        for first, second in _ORDERS:
            try:
                completion = self._inference.complete(self._model, self._messages(row, first, second), self._parameters)
            except InferenceError as error:
                return _failed(row, error.reason, f"The judge: {error}", tokens)
            text, tokens = completion.text, tokens.plus(completion.input_tokens, completion.output_tokens)
            verdict = read_verdict(text, first=first, second=second, truncated=completion.truncated)
            if verdict is None:
                shown = text[-_SHOWN_CHARACTERS:]
                return _failed(row, "no_verdict", f"The judge names neither A, B nor tie: {shown!r}", tokens)
            verdicts.append(verdict)
        return Judgement(row.row, tokens, *verdicts)

    def _messages(self, row: Judged, first: str, second: str) -> Messages:
        answers: dict[str, str] = {"base_model": row.base_model, "fine_tuned": row.fine_tuned}
        return judge_messages(self._rubric, row.input, row.expected, answers[first], answers[second])

    @connected
    def _store(self, judgements: Sequence[Judgement]) -> bool:
        """Store judgements in one transaction; True once the error budget is exceeded."""
        judged = len(judgements)
        failed = sum(judgement.error is not None for judgement in judgements)
        counted = Evaluation.update(
            done=Evaluation.done + judged, answers=Evaluation.answers + judged, errors=Evaluation.errors + failed
        )
        with database.atomic():
            # First of all, for it holds the evaluation's row until the end.
            if counted.where(is_held(self._run)).execute() != 1:
                raise LeaseLost
            for judgement in judgements:
                own = (Example.evaluation_id == self._run.id) & (Example.row == judgement.row)
                Example.update(**_values(judgement)).where(own).execute()
        self._errors += failed
        return exceeds_error_budget(self._errors, self._run.total, self._run.max_error_rate)


def _failed(row: Judged, reason: str, message: str, tokens: Tokens) -> Judgement:
    """Return a judgement without a verdict: one order alone says nothing."""
    return Judgement(row.row, tokens, error=f"judge_{reason}", message=storable(message))


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
