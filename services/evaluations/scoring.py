"""What answers are worth: right or wrong, accuracy, macro averages, and how far one model is from the other."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from typing import Any

SIDES = ("base_model", "fine_tuned")
RATIOS = ("accuracy", "f1_score", "precision", "recall")

_PUNCTUATION = ".,;:!?、。"

Figures = dict[str, float | None]
"""A model's ratios (0 to 1) and ``avg_response_time_ms``, unrounded."""


def normalise(text: str) -> str:
    """Return what two answers share that say the same: NFKC, no case, no space around, no punctuation at the end."""
    folded = unicodedata.normalize("NFKC", text).casefold().strip()
    # NFKC first makes … three dots and ！ a !; an answer that is nothing but punctuation stays as it is.
    return folded.rstrip(_PUNCTUATION).rstrip() or folded


def is_correct(output: str | None, expected: str) -> bool | None:
    """Say whether an output is the expected one, or None where there is no output."""
    return None if output is None else normalise(output) == normalise(expected)


def winner(base_model_correct: bool | None, fine_tuned_correct: bool | None) -> str | None:
    """Return who did better on a row; None where one has no answer, for then the row counts for neither."""
    if base_model_correct is None or fine_tuned_correct is None:
        return None
    if base_model_correct == fine_tuned_correct:
        return "tie"
    return "base_model" if base_model_correct else "fine_tuned"


class Tally:
    """Counts one model's answers row by row; ``figures`` is what they come to.

    Precision, recall and F1 are averaged over the labels that were expected, each label alike; a division by zero
    gives 0, and an answer that is none of the labels is a class of its own that is not averaged over: as
    ``sklearn.metrics.precision_recall_fscore_support(labels=expected, average="macro", zero_division=0)``.
    """

    def __init__(self) -> None:
        self.n = 0
        self._expected: Counter[str] = Counter()
        self._answered: Counter[str] = Counter()
        self._right: Counter[str] = Counter()
        self._ms = 0.0

    def add(self, expected: str, output: str, ms: float) -> None:
        """Count an answer that took so many milliseconds."""
        label, answer = normalise(expected), normalise(output)
        self.n += 1
        self._ms += ms
        self._expected[label] += 1
        self._answered[answer] += 1
        if answer == label:
            self._right[label] += 1

    def figures(self) -> Figures:
        """Return the figures of all that was added; all None where that was nothing."""
        if not self.n:
            return dict.fromkeys((*RATIOS, "avg_response_time_ms"))
        precision = recall = f1_score = 0.0
        for label, expected in self._expected.items():
            right, answered = self._right[label], self._answered[label]
            precision += right / answered if answered else 0
            recall += right / expected
            f1_score += 2 * right / (answered + expected)
        labels = len(self._expected)
        return {
            "accuracy": self._right.total() / self.n,
            "f1_score": f1_score / labels,
            "precision": precision / labels,
            "recall": recall / labels,
            "avg_response_time_ms": self._ms / self.n,
        }


def results(base_model: Figures, fine_tuned: Figures) -> dict[str, Any]:
    """Return both models' figures, rounded, and the improvement from the unrounded ones."""
    return {
        "base_model": _rounded(base_model),
        "fine_tuned": _rounded(fine_tuned),
        "improvement": improvement(base_model, fine_tuned),
    }


def improvement(base_model: Figures, fine_tuned: Figures) -> dict[str, Any]:
    """Return for each ratio the relative change (``accuracy_delta``: "+23.6%") and, as a number, the difference."""
    deltas = {f"{name}_delta": delta(base_model.get(name), fine_tuned.get(name)) for name in RATIOS}
    differences = {f"{name}_difference": _difference(base_model.get(name), fine_tuned.get(name)) for name in RATIOS}
    return deltas | differences


def delta(base: float | None, tuned: float | None) -> str | None:
    """Return the change relative to ``base``, signed, to one decimal of a percent; None where there is none."""
    if not base or tuned is None:
        return None
    percent = round((tuned - base) / base * 100, 1) + 0.0  # adding 0 turns -0.0 into 0.0
    return f"{percent:+.1f}%" if math.isfinite(percent) else None


def _difference(base: float | None, tuned: float | None) -> float | None:
    return None if base is None or tuned is None else round(tuned - base, 4)


def _rounded(figures: Figures) -> Figures:
    return {
        name: None if value is None else round(value, 1 if name == "avg_response_time_ms" else 4)
        for name, value in figures.items()
    }
