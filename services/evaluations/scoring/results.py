"""What the stored rows of an evaluation come to: both models' figures, and whether their difference is real."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from services.evaluations.scoring import metrics, significance
from services.evaluations.scoring.graders import LabelRule, Rule
from services.evaluations.scoring.significance import Cell
from services.evaluations.tables import Example, connected
from shared.database.queries import tuples
from shared.pacing import yield_turn

_BLOCK = 1_000


class Counts(NamedTuple):
    """The rows of an evaluation, counted: both models' answers, the errors by their reason, rows by what was said."""

    tallies: list[metrics.Tally]
    errors: Counter[str]
    cells: Counter[Cell]


@connected
def count_rows(evaluation_id: int, rule: Rule) -> Counts:
    """Count all rows that are done; those on which one model has an error count for neither."""
    counts = Counts([metrics.Tally() for _ in metrics.SIDES], Counter(), Counter())
    for expected, error, *sides in _outcomes(evaluation_id):
        if error is not None:
            counts.errors[error] += 1
            continue
        label = rule.label(expected)
        readings = [rule.read(output, expected) for output in sides[::2]]
        for tally, reading, ms in zip(counts.tallies, readings, sides[1::2], strict=True):
            tally.add(label, reading, ms)
        counts.cells[label, readings[0].answer, readings[1].answer] += 1
    return counts


def judge(counts: Counts, rule: Rule) -> dict[str, Any]:
    """Return the results of the rows that were counted; takes no connection, and seconds of CPU."""
    of_labels = isinstance(rule, LabelRule)
    base_model, fine_tuned = (tally.figures(of_labels=of_labels) for tally in counts.tallies)
    cells = counts.cells
    return metrics.results(base_model, fine_tuned) | {
        "n": counts.tallies[0].n,
        "errors": dict(counts.errors),
        "scoring": {"rule": rule.name, "description": rule.description},
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
