"""Scores again: takes over the stored answers of an earlier evaluation, graded by another rule."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from services.evaluations.datasets.row_shapes import Row
from services.evaluations.example_blocks import read_blocks
from services.evaluations.scoring.choose_grader import Grader
from services.evaluations.scoring.counts import OF_ANSWERS
from services.evaluations.tables import Evaluation, Example, connected
from services.evaluations.worker.answer_writer import Answer, AnswerWriter, graded
from shared.errors import NotFound, Unprocessable
from shared.lease import LeaseLost

_BLOCK = 500


@connected
def find_answers(evaluation_id: int, sha256: str) -> dict[str, Any]:
    """Return the provenance of an evaluation's answers; Unprocessable where they are of another content of the set."""
    found = Evaluation.get_or_none(Evaluation.id == evaluation_id)
    if found is None:
        raise NotFound(f"There is no evaluation {evaluation_id}.")
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
