"""Counts an evaluation's stored rows: each model's answers, and rows by what was answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from services.evaluations.example_blocks import read_blocks
from services.evaluations.scoring import metrics
from services.evaluations.scoring.choose_grader import Grader
from services.evaluations.scoring.f1_interval import Cell
from services.evaluations.scoring.judging import JudgeGrader, Judgement
from services.evaluations.scoring.score_significance import Pair
from services.evaluations.tables import Example, connected

_BLOCK = 1_000
OF_ANSWERS = ("output", "ms", "error", "message", "truncated", "input_tokens", "output_tokens")
"""The columns of a role's answer, each after the role's name."""


@dataclass
class RoleCounts:
    """Counts of one model's answers; an error's message is the first of its reason."""

    tally: metrics.Tally = field(default_factory=metrics.Tally)
    errors: dict[str, dict[str, Any]] = field(default_factory=dict)
    errors_alone: int = 0
    truncated: int = 0
    tokens: metrics.Tokens = metrics.Tokens()
    invalid_example: str | None = None
    first_ms: float | None = None
    """Of the first row that has an answer; what the model took to load before is not in it."""

    def add_answer(self, ms: float | None, truncated: bool | None, tokens: list[int | None]) -> None:
        """Count an answer, be its row in error or not: it was paid for."""
        self.first_ms = ms if self.first_ms is None else self.first_ms
        self.truncated += bool(truncated)
        self.tokens = self.tokens.plus(*tokens)

    def add_error(self, reason: str, message: str | None, *, alone: bool) -> None:
        self.errors.setdefault(reason, {"count": 0, "message": message})["count"] += 1
        self.errors_alone += alone


@dataclass
class JudgeCounts:
    """Counts of a judge: its errors, the rows that it judged, those in which both its verdicts agree, its tokens."""

    errors: dict[str, dict[str, Any]] = field(default_factory=dict)
    n: int = 0
    agreed: int = 0
    tokens: metrics.Tokens = metrics.Tokens()

    def add(self, judged: Judgement) -> None:
        if judged.error is not None:
            self.errors.setdefault(judged.error, {"count": 0, "message": judged.message})["count"] += 1
        elif judged.base_first is not None:
            self.n += 1
            self.agreed += judged.base_first == judged.tuned_first
        self.tokens = self.tokens.plus(*judged.tokens)


@dataclass
class Counts:
    """Counts over an evaluation's rows: by role, and rows by the answers; the base's is None where there is no base."""

    roles: dict[str, RoleCounts]
    cells: Counter[Cell] = field(default_factory=Counter)
    scores: Counter[Pair] = field(default_factory=Counter)
    """Rows by both models' scores, where a rule grades; the base's is 0 where there is no base."""
    judge: JudgeCounts | None = None
    alike: bool = True
    """The models' answers are the same text in every row."""


@connected
def count_rows(evaluation_id: int, roles: tuple[str, ...], grader: Grader) -> Counts:
    """Count the finished rows; one with an error counts for no model."""
    judge = JudgeCounts() if isinstance(grader, JudgeGrader) else None
    counts, width = Counts({role: RoleCounts() for role in roles}, judge=judge), len(OF_ANSWERS)
    for (expected, *columns), judged in _outcomes(evaluation_id, roles):
        answers = {role: columns[place * width : (place + 1) * width] for place, role in enumerate(roles)}
        in_error = [role for role, answer in answers.items() if answer[2] is not None]
        for role, (_, ms, error, message, truncated, *tokens) in answers.items():
            counts.roles[role].add_answer(ms, truncated, tokens)
            if error is not None:
                counts.roles[role].add_error(error, message, alone=in_error == [role])
        if judge is not None:
            judge.add(judged)
        if not in_error and judged.error is None:
            _add_row(counts, grader, expected, answers, judged)
    return counts


def _add_row(counts: Counts, grader: Grader, expected: str, answers: dict[str, list[Any]], judged: Judgement) -> None:
    label = grader.label(expected)
    found = {}
    for role, (output, ms, _, _, truncated, *_) in answers.items():
        if isinstance(grader, JudgeGrader):
            grade = grader.grade_judgement(role, judged)
        else:
            grade = grader.grade(output, expected, truncated=bool(truncated))
        counted = counts.roles[role]
        counted.tally.add(label, grade, ms)
        if grade.answer is None and counted.invalid_example is None:
            counted.invalid_example = output
        found[role] = grade
    base, tuned = found.get("base_model"), found["fine_tuned"]
    counts.cells[label, base.answer if base else None, tuned.answer] += 1
    if tuned.score is not None:
        counts.scores[round(base.score or 0, 4) if base else 0, round(tuned.score, 4)] += 1
    counts.alike = counts.alike and len({answer[0] for answer in answers.values()}) == 1


def _outcomes(evaluation_id: int, roles: tuple[str, ...]) -> Iterator[tuple[list[Any], Judgement]]:
    """Yield (expected, what is stored of each role's answer), and what of a judge, in blocks, each a short read."""
    columns = [getattr(Example, f"{role}_{name}") for role in roles for name in OF_ANSWERS]
    verdicts = [Example.judge_base_first, Example.judge_tuned_first, Example.judge_error, Example.error_message]
    of_judge = [Example.judge_input_tokens, Example.judge_output_tokens, *verdicts]
    for block in read_blocks(evaluation_id, [*of_judge, Example.expected, *columns], _BLOCK):
        for number, *row in block:
            yield row[len(of_judge) :], Judgement(number, metrics.Tokens(*row[:2]), *row[2 : len(of_judge)])
