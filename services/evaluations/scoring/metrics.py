"""Metrics: accuracy, macro-averaged precision, recall and F1, response times, and the improvement; pure."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any, NamedTuple

from services.evaluations.scoring.graders import Grade

ROLES = ("base_model", "fine_tuned")
RATIOS = ("accuracy", "f1_score", "precision", "recall")
TIMES = ("avg_response_time_ms", "p50_response_time_ms", "p95_response_time_ms")

Metrics = dict[str, float | None]
"""A model's ratios (0 to 1), times (milliseconds) and counts, unrounded."""


def winner(base_model_correct: float | None, fine_tuned_correct: float | None) -> str | None:
    """Return the winner of a row, by who was right or by scores; None where one model has no answer."""
    if base_model_correct is None or fine_tuned_correct is None:
        return None
    if base_model_correct == fine_tuned_correct:
        return "tie"
    return "base_model" if base_model_correct > fine_tuned_correct else "fine_tuned"


class Times:
    """A histogram of response times in constant memory: each to three digits, the mean exact."""

    def __init__(self) -> None:
        self._sum = 0.0
        self._rounded: Counter[float] = Counter()

    def add(self, ms: float) -> None:
        self._sum += ms
        self._rounded[float(f"{ms:.3g}")] += 1

    def mean(self) -> float | None:
        return self._sum / self._rounded.total() if self._rounded else None

    def percentile(self, share: float) -> float | None:
        """Return a percentile (``share`` from 0 to 1, nearest rank), within half a percent."""
        rank, seen = math.ceil(share * self._rounded.total()), 0
        for ms in sorted(self._rounded):
            seen += self._rounded[ms]
            if seen >= rank:
                return ms
        return None


class Tally:
    """Counts one model's graded answers, and computes its metrics.

    Precision, recall and F1 are averaged over the labels that were expected, each label alike; a division by zero
    gives 0, and an answer that is none of the labels is a class of its own that is not averaged over: as
    ``sklearn.metrics.precision_recall_fscore_support(labels=expected, average="macro", zero_division=0)``.
    """

    def __init__(self) -> None:
        self.n = 0
        self._times = Times()
        self._extracted = 0
        self.expected: Counter[str] = Counter()
        """By label, as the next two."""
        self._answered: Counter[str | None] = Counter()
        self.right: Counter[str] = Counter()

    def add(self, label: str, grade: Grade, ms: float) -> None:
        """Count an answer that took so many milliseconds."""
        self.n += 1
        self._times.add(ms)
        self._extracted += grade.extracted
        self.expected[label] += 1
        self._answered[grade.answer] += 1
        if grade.answer == label:
            self.right[label] += 1

    def metrics(self, *, of_labels: bool) -> Metrics:
        """Return the metrics of all added answers, None where there is none; without labels accuracy alone."""
        ratios: Metrics = dict.fromkeys(RATIOS) | {"accuracy": self.right.total() / self.n if self.n else None}
        if of_labels and self.n:
            ratios |= self._averages()
        times = (self._times.mean(), self._times.percentile(0.5), self._times.percentile(0.95))
        counts = (self._answered[None], self._extracted) if of_labels else (None, None)
        return ratios | dict(zip(TIMES, times, strict=True)) | dict(zip(("invalid", "extracted"), counts, strict=True))

    def of_label(self, label: str) -> Metrics:
        """Return a label's own precision, recall and F1; of one that was never expected the latter two are 0."""
        right, answered, expected = self.right[label], self._answered[label], self.expected[label]
        return {
            "precision": right / answered if answered else 0.0,
            "recall": right / expected if expected else 0.0,
            "f1_score": 2 * right / (answered + expected) if answered + expected else 0.0,
        }

    def _averages(self) -> Metrics:
        each = [self.of_label(label) for label in self.expected]
        return {name: sum(own[name] or 0.0 for own in each) / len(each) for name in ("f1_score", "precision", "recall")}


def improvement(base_model: Metrics, fine_tuned: Metrics) -> dict[str, Any]:
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


class Tokens(NamedTuple):
    """What a server counted of its answers; None where it counted nothing."""

    input: int | None = None
    output: int | None = None

    def plus(self, *counted: int | None) -> Tokens:
        """Return the sum with what was counted of another answer."""
        sums = ((total or 0) + more if more is not None else total for total, more in zip(self, counted, strict=True))
        return Tokens(*sums)


def rounded(figures: Metrics) -> Metrics:
    """Return the metrics as they are shown: ratios to four decimals, times to one."""
    return {name: None if value is None else round(value, 1 if name in TIMES else 4) for name, value in figures.items()}
