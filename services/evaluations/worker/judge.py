"""The judge of a run: a model of the same server says of each row which answer is better, asked in both orders."""

from __future__ import annotations

from services.evaluations.scoring.judging import Judgement, judge_messages, read_verdict
from services.evaluations.scoring.metrics import Tokens
from services.evaluations.tables import Evaluation
from services.evaluations.worker import generation, run_state
from services.evaluations.worker.dialects import Messages
from services.evaluations.worker.inference_client import InferenceClient
from services.evaluations.worker.inference_errors import InferenceError, storable
from services.evaluations.worker.judgement_writer import Judged, JudgementWriter
from services.evaluations.worker.request_pool import RequestPool

_ORDERS = (("base_model", "fine_tuned"), ("fine_tuned", "base_model"))
_SHOWN_CHARACTERS = 200


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
        rows = JudgementWriter(run_state.find_present(self._run))
        return pool.send(rows.open_rows(), self._judge, rows.store)

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


def _failed(row: Judged, reason: str, message: str, tokens: Tokens) -> Judgement:
    """Return a judgement without a verdict: one order alone says nothing."""
    return Judgement(row.row, tokens, error=f"judge_{reason}", message=storable(message))
