"""The judge of a run: a model of the same server says of each row which answer is better, asked in both orders."""

from __future__ import annotations

from services.evaluations.scoring.judging import judge_messages, read_verdict
from services.evaluations.scoring.metrics import Tokens
from services.evaluations.tables import Evaluation
from services.evaluations.worker import generation, run_state
from services.evaluations.worker.completions import Completion
from services.evaluations.worker.dialects import Messages
from services.evaluations.worker.inference_client import InferenceClient
from services.evaluations.worker.inference_errors import InferenceError, storable
from services.evaluations.worker.judgement_writer import Judged, Judgement, JudgementWriter
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
        judgement = Judgement(row.row)
        verdicts: list[str] = []
        for first, second in _ORDERS:
            try:
                completion = self._inference.complete(self._model, self._messages(row, first, second), self._parameters)
            except InferenceError as error:
                return _failed(judgement, error.reason, f"The judge: {error}")
            judgement = _with_tokens(judgement, completion)
            text = completion.text
            verdict = read_verdict(text, first=first, second=second, truncated=completion.truncated)
            if verdict is None:
                shown = text[-_SHOWN_CHARACTERS:]
                return _failed(judgement, "no_verdict", f"The judge names neither A, B nor tie: {shown!r}")
            verdicts.append(verdict)
        return judgement._replace(base_first=verdicts[0], tuned_first=verdicts[1])

    def _messages(self, row: Judged, first: str, second: str) -> Messages:
        answers: dict[str, str] = {"base_model": row.base_model, "fine_tuned": row.fine_tuned}
        return judge_messages(self._rubric, row.input, row.expected, answers[first], answers[second])


def _failed(judgement: Judgement, reason: str, message: str) -> Judgement:
    """Return a judgement without a verdict: one order alone says nothing."""
    return judgement._replace(base_first=None, tuned_first=None, error=f"judge_{reason}", message=storable(message))


def _with_tokens(judgement: Judgement, completion: Completion) -> Judgement:
    so_far = Tokens(judgement.input_tokens, judgement.output_tokens)
    total = so_far.plus(completion.input_tokens, completion.output_tokens)
    return judgement._replace(input_tokens=total.input, output_tokens=total.output)
