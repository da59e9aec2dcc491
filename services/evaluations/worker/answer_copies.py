"""Takes over the stored answers of an earlier evaluation: all of them, to score them again, or its base's alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any

from services.evaluations.datasets.row_shapes import Row
from services.evaluations.example_blocks import read_blocks
from services.evaluations.records.evaluations import get_evaluation
from services.evaluations.scoring.choose_grader import Grader
from services.evaluations.scoring.counts import OF_ANSWERS
from services.evaluations.tables import Evaluation, Example, connected
from services.evaluations.worker import generation, run_state
from services.evaluations.worker.answer_writer import Answer, AnswerWriter, graded
from shared.errors import Unprocessable
from shared.lease import LeaseLost

_BASE = "base_model"
_BLOCK = 500
_MAX_LOOKED_AT = 100


def find_answers(evaluation_id: int, sha256: str) -> dict[str, Any]:
    """Return the provenance of an evaluation's answers; Unprocessable where they are of another content of the set."""
    found = get_evaluation(evaluation_id)
    if found.test_set_sha256 != sha256:
        problem = f"The test set has changed since evaluation {evaluation_id} asked it."
        raise Unprocessable.field("test_set_path", problem)
    return {**(found.provenance or {}), "answers_of": evaluation_id}


def copy_answers(
    source: int,
    roles: tuple[str, ...],
    rows: AnswerWriter,
    grader: Grader,
    lost: threading.Event,
    *,
    with_errors: bool = True,
) -> None:
    """Store the answers of ``source``, graded anew, as the run's own; LeaseLost once it is no longer ours."""
    rows.begin_pass(roles)
    columns = [getattr(Example, f"{role}_{name}") for role in roles for name in OF_ANSWERS]
    for block in read_blocks(source, [Example.input, Example.expected, *columns], _BLOCK):
        if lost.is_set():
            raise LeaseLost
        is_open = rows.open_roles(block[0][0], block[-1][0])
        answers = [
            answer
            for each in block
            for answer in _answers(each, roles, grader)
            if (with_errors or answer.error is None) and is_open(answer.row, answer.role)
        ]
        if answers:
            rows.store(answers, copied=True)


def _answers(stored: tuple[Any, ...], roles: tuple[str, ...], grader: Grader) -> Iterator[Answer]:
    number, text, expected, *columns = stored
    row, width = Row(text, expected), len(OF_ANSWERS)
    for place, role in enumerate(roles):
        output, ms, error, message, *usage = columns[place * width : (place + 1) * width]
        if error is not None or output is None:
            yield Answer(number, role, row, error=error or "no_answer", message=message)
            continue
        answer = Answer(
            number, role, row, output, ms, truncated=usage[0], input_tokens=usage[1], output_tokens=usage[2]
        )
        yield graded(answer, grader)


def take_over_base(run: Evaluation, sha256: str, rows: AnswerWriter, grader: Grader, lost: threading.Event) -> None:
    """Store the base's answers of an earlier evaluation as the run's own, where there is one that asked the same."""
    source = _find_base_answers(run, sha256, run_state.find_present(run).provenance)
    if source is not None:
        run_state.note_asked(run, {"base_answers_of": source})
        copy_answers(source, (_BASE,), rows, grader, lost, with_errors=False)


@connected
def _find_base_answers(run: Evaluation, sha256: str, described: Mapping[str, Any]) -> int | None:
    """Return the newest evaluation with answers of this run's base, None where there is none.

    The content of the test set, the prompt with its examples, the parameters, the server with the name and the
    fingerprint by which it answers, and how it had to be asked, are the same; ``described`` is this run's provenance.
    """
    query = Evaluation.select().where(
        Evaluation.test_set_path == run.test_set_path,
        Evaluation.status == "completed",
        Evaluation.test_set_sha256 == sha256,
        Evaluation.base_model_name == run.names[_BASE],
        Evaluation.id != run.id,
    )
    wanted = _asked_as(described, run.generation)
    for evaluation in query.order_by(Evaluation.created_at.desc(), Evaluation.id.desc()).limit(_MAX_LOOKED_AT):
        known = evaluation.provenance
        if known and not known.get("mixed") and _asked_as(known, evaluation.generation) == wanted:
            return int(evaluation.id)
    return None


def _asked_as(provenance: Mapping[str, Any], parameters: Mapping[str, Any] | None) -> tuple[Any, ...]:
    inference, names = provenance.get("inference") or {}, provenance.get("answers_as") or {}
    return (
        provenance.get("worker_version"),
        (provenance.get("prompt") or {}).get("sha256"),
        generation.parameters(parameters)[_BASE],
        inference.get("url"),
        names.get(_BASE),
        (provenance.get("adapted") or {}).get(_BASE),
    )
