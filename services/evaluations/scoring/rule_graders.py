"""Graders that look at a row by itself: by a rule, or by the verdicts of a judge; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.evaluations.scoring import rules
from services.evaluations.scoring.graders import RIGHT, Grade, WithoutLabels
from services.evaluations.scoring.judging import SCORES, TIE, settle


class RuleGrader(WithoutLabels):
    """An answer is right, or right so far, by a rule that looks at it and the expected text alone."""

    def __init__(self, rule: str, parameters: Mapping[str, Any]) -> None:
        self.name = rule
        self.description = rules.DESCRIPTIONS[rule]
        self.is_graded = rule in rules.GRADED
        self._score = rules.make_score(rule, parameters)

    def grade(self, output: str, expected: str, *, truncated: bool = False) -> Grade:
        score = self._score(output, expected)
        return Grade(RIGHT if score == 1 else None, score=score if self.is_graded else None)


class JudgeGrader(WithoutLabels):
    """The better answer of a row scores 1 and the other 0, both ½ in a tie, by the verdicts that are stored."""

    name = "judge"
    description = (
        "A judge says which answer is better, asked in both orders: 1 for the better one, 0 for the other, 0.5 for "
        "both where it calls a tie or its two verdicts disagree; accuracy is the share of rows won."
    )
    is_graded = True

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self.model: str = parameters["model"]

    def grade_verdicts(self, role: str, base_first: str | None, tuned_first: str | None) -> Grade:
        """Return a role's grade by the verdicts of both orders."""
        winner = settle(base_first or TIE, tuned_first or TIE)
        score = dict(zip(("base_model", "fine_tuned"), SCORES[winner], strict=True))[role]
        return Grade(RIGHT if score == 1 else None, score=score)
