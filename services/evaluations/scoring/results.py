"""The results of an evaluation: both models' metrics, and the significance of their difference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from services.evaluations.scoring import metrics, significance, warnings
from services.evaluations.scoring.classes import describe_classes
from services.evaluations.scoring.graders import Grader, LabelGrader, RuleGrader
from services.evaluations.scoring.score_significance import Pair, score_significance
from services.evaluations.scoring.significance import Cell
from services.evaluations.tables import Example, connected
from shared.database.queries import tuples
from shared.pacing import yield_turn

_BLOCK = 1_000
_OF_ANSWERS = ("output", "ms", "error", "message", "truncated", "input_tokens", "output_tokens")


@dataclass
class RoleCounts:
    """Counts of one model's answers; an error's message is the first of its reason."""

    tally: metrics.Tally = field(default_factory=metrics.Tally)
    errors: dict[str, dict[str, Any]] = field(default_factory=dict)
    errors_alone: int = 0
    truncated: int = 0
    input_tokens: int | None = None
    output_tokens: int | None = None
    invalid_example: str | None = None

    def add_answer(self, truncated: bool | None, input_tokens: int | None, output_tokens: int | None) -> None:
        """Count an answer, be its row in error or not: it was paid for."""
        self.truncated += bool(truncated)
        self.input_tokens = _sum(self.input_tokens, input_tokens)
        self.output_tokens = _sum(self.output_tokens, output_tokens)

    def add_error(self, reason: str, message: str | None, *, alone: bool) -> None:
        self.errors.setdefault(reason, {"count": 0, "message": message})["count"] += 1
        self.errors_alone += alone


@dataclass
class Counts:
    """Counts over an evaluation's rows: of each model, and rows by both answers."""

    roles: tuple[RoleCounts, RoleCounts] = field(default_factory=lambda: (RoleCounts(), RoleCounts()))
    cells: Counter[Cell] = field(default_factory=Counter)
    scores: Counter[Pair] = field(default_factory=Counter)
    """Rows by both models' scores, where a rule grades."""
    alike: bool = True
    """Both models' answers are the same text in every row."""


@connected
def count_rows(evaluation_id: int, grader: Grader) -> Counts:
    """Count the finished rows; one with an error counts for neither model."""
    counts = Counts()
    for expected, *columns in _outcomes(evaluation_id):
        width = len(_OF_ANSWERS)
        answers = columns[:width], columns[width:]
        in_error = [answer[2] is not None for answer in answers]
        for role, answer, other_in_error in zip(counts.roles, answers, reversed(in_error), strict=True):
            _, _, error, message, *usage = answer
            role.add_answer(*usage)
            if error is not None:
                role.add_error(error, message, alone=not other_in_error)
        if not any(in_error):
            _add_pair(counts, grader, expected, answers)
    return counts


def _add_pair(counts: Counts, grader: Grader, expected: str, answers: tuple[list[Any], list[Any]]) -> None:
    label = grader.label(expected)
    found = []
    for role, (output, ms, _, _, truncated, *_) in zip(counts.roles, answers, strict=True):
        grade = grader.grade(output, expected, truncated=bool(truncated))
        role.tally.add(label, grade, ms)
        if grade.answer is None and role.invalid_example is None:
            role.invalid_example = output
        found.append(grade)
    base, tuned = found
    counts.cells[label, base.answer, tuned.answer] += 1
    if base.score is not None and tuned.score is not None:
        counts.scores[round(base.score, 4), round(tuned.score, 4)] += 1
    counts.alike = counts.alike and answers[0][0] == answers[1][0]


def compute_results(counts: Counts, grader: Grader, noted: list[str]) -> dict[str, Any]:
    """Return the results of the counted rows; ``noted`` are warnings from before. Needs seconds of CPU."""
    of_labels = isinstance(grader, LabelGrader)
    roles = dict(zip(metrics.ROLES, counts.roles, strict=True))
    tallies = [role.tally for role in counts.roles]
    figures = {name: role.tally.metrics(of_labels=of_labels) for name, role in roles.items()}
    cells = counts.cells
    if isinstance(grader, RuleGrader) and grader.is_graded:
        found = score_significance(counts.scores)
    else:
        found = significance.significance(significance.pairs(cells), cells if of_labels else None)
    invalid = {name: (int(figures[name]["invalid"] or 0), role.invalid_example) for name, role in roles.items()}
    found["summary"] += warnings.remark_on(found, invalid, {name: role.errors_alone for name, role in roles.items()})
    computed = metrics.results(figures["base_model"], figures["fine_tuned"])
    for number, (name, role) in enumerate(roles.items()):
        computed[name] |= {
            **({"score": _mean_score(counts.scores, number)} if counts.scores else {}),
            "truncated": role.truncated,
            "tokens": {"input": role.input_tokens, "output": role.output_tokens},
        }
    classes = (
        describe_classes(grader, tallies, cells)
        if isinstance(grader, LabelGrader)
        else {"labels": None, "confusion": None}
    )
    return computed | {
        "n": tallies[0].n,
        "errors": {name: role.errors for name, role in roles.items()},
        "scoring": {"rule": grader.name, "labels": grader.labels, "description": grader.description},
        "significance": found,
        **classes,
        "warnings": [*noted, *warnings.warn_of_answers(invalid, tallies[0].n, alike=counts.alike)],
    }


def _mean_score(scores: Counter[Pair], role: int) -> float | None:
    n = scores.total()
    return round(sum(pair[role] * rows for pair, rows in scores.items()) / n, 4) if n else None


def _sum(total: int | None, tokens: int | None) -> int | None:
    return total if tokens is None else (total or 0) + tokens


def _outcomes(evaluation_id: int) -> Iterator[tuple[Any, ...]]:
    """Yield (expected, what is stored of the base's answer, of the fine-tuned's) in blocks, each a short read."""
    last = -1
    columns = [getattr(Example, f"{role}_{name}") for role in metrics.ROLES for name in _OF_ANSWERS]
    while True:
        query = Example.select(Example.row, Example.expected, *columns).where(
            Example.evaluation_id == evaluation_id, Example.row > last, Example.done
        )
        block = tuples(query.order_by(Example.evaluation_id, Example.row).limit(_BLOCK))
        for row in block:
            yield row[1:]
        if len(block) < _BLOCK:
            return
        last = block[-1][0]
        yield_turn()
