"""The results of an evaluation: both models' metrics, and the significance of their difference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from services.evaluations.scoring import metrics, significance
from services.evaluations.scoring.graders import Grader, LabelGrader
from services.evaluations.scoring.significance import Cell
from services.evaluations.tables import Example, connected
from shared.database.queries import tuples
from shared.pacing import yield_turn

_BLOCK = 1_000


class Counts(NamedTuple):
    """Counts over an evaluation's rows: a tally for each model, errors by reason, rows by both answers."""

    tallies: list[metrics.Tally]
    errors: Counter[str]
    cells: Counter[Cell]


@connected
def count_rows(evaluation_id: int, grader: Grader) -> Counts:
    """Count the finished rows; one with an error counts for neither model."""
    counts = Counts([metrics.Tally() for _ in metrics.ROLES], Counter(), Counter())
    for expected, error, *roles in _outcomes(evaluation_id):
        if error is not None:
            counts.errors[error] += 1
            continue
        label = grader.label(expected)
        grades = [grader.grade(output, expected) for output in roles[::2]]
        for tally, grade, ms in zip(counts.tallies, grades, roles[1::2], strict=True):
            tally.add(label, grade, ms)
        counts.cells[label, grades[0].answer, grades[1].answer] += 1
    return counts


def compute_results(counts: Counts, grader: Grader) -> dict[str, Any]:
    """Return the results of the counted rows; needs no connection, and seconds of CPU."""
    of_labels = isinstance(grader, LabelGrader)
    base_model, fine_tuned = (tally.metrics(of_labels=of_labels) for tally in counts.tallies)
    cells = counts.cells
    return metrics.results(base_model, fine_tuned) | {
        "n": counts.tallies[0].n,
        "errors": dict(counts.errors),
        "scoring": {"rule": grader.name, "description": grader.description},
        "significance": significance.significance(significance.pairs(cells), cells if of_labels else None),
    }


def _outcomes(evaluation_id: int) -> Iterator[tuple[Any, ...]]:
    """Yield (expected, error, output and ms of the base, of the fine-tuned) in blocks, each a short read."""
    last = -1
    while True:
        query = Example.select(
            Example.row,
            Example.expected,
            Example.error,
            Example.base_model_output,
            Example.base_model_ms,
            Example.fine_tuned_output,
            Example.fine_tuned_ms,
        ).where(Example.evaluation_id == evaluation_id, Example.row > last, Example.done)
        block = tuples(query.order_by(Example.evaluation_id, Example.row).limit(_BLOCK))
        for row in block:
            yield row[1:]
        if len(block) < _BLOCK:
            return
        last = block[-1][0]
        yield_turn()
