"""Chooses the grader of an evaluation: that of the rule it asks for, or the one that suits the test set; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.evaluations.scoring.graders import LabelGrader, TextGrader
from services.evaluations.scoring.judging import JudgeGrader
from services.evaluations.scoring.rules import DESCRIPTIONS, RuleGrader
from shared.errors import Unprocessable

Grader = LabelGrader | TextGrader | RuleGrader | JudgeGrader

MAX_DEFAULT_LABELS = 50
_MAX_DEFAULT_LABEL_CHARACTERS = 60
"""A set with more distinct ``expected``, or longer ones, is scored as text unless labels are asked for."""


def choose_grader(
    scoring: str | None,
    labels: list[str] | None,
    *,
    rows: int,
    extract_label: bool,
    parameters: Mapping[str, Any] | None = None,
) -> Grader:
    """Return the grader of the rule that was asked for, or by default the one that suits the set.

    That is labels where they are few, short, and at most half as many as the rows: a set of questions has an answer of
    its own for each, and to list them would be to give them away. Unprocessable where labels are wanted of a set that
    has none.
    """
    if scoring == "judge":
        return JudgeGrader(parameters or {})
    if scoring in DESCRIPTIONS:
        return RuleGrader(scoring, parameters or {})
    wants_labels = scoring == "labels" or extract_label
    if labels is None and wants_labels:
        field = "scoring" if scoring == "labels" else "extract_label"
        raise Unprocessable.field(field, "The test set's expected texts are too many, or too long, to be labels.")
    if labels is not None and (wants_labels or (scoring is None and _are_labels(labels, rows))):
        return LabelGrader(labels, extract=extract_label)
    return TextGrader(labels or ())


def _are_labels(labels: list[str], rows: int) -> bool:
    are_short = all(len(label) <= _MAX_DEFAULT_LABEL_CHARACTERS for label in labels)
    return len(labels) <= min(MAX_DEFAULT_LABELS, rows / 2) and are_short
