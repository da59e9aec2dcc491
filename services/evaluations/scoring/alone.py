"""The metrics of one model by itself: their 95 % intervals, and the sentence that says them; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from services.evaluations.scoring.f1_interval import Cell, f1_interval
from services.evaluations.scoring.metrics import Metrics
from services.evaluations.scoring.resampling import rounded
from services.evaluations.scoring.score_significance import bootstrap
from services.evaluations.scoring.significance import percent, wilson


def accuracy_interval(right: int, n: int) -> list[float] | None:
    """Return Wilson's interval of an accuracy, None of no rows."""
    return rounded(wilson(right, n)) if n else None


def score_interval(scores: Counter[float]) -> list[float] | None:
    """Return the bootstrap interval of the mean of scores; None where they are all alike."""
    return rounded(bootstrap(scores)[1])


def f1_score_interval(cells: Mapping[Cell, int]) -> list[float] | None:
    """Return the bootstrap interval of the fine-tuned model's macro F1, where no cell has an answer of a base."""
    # Who answers nothing has an F1 of 0, so that the difference to it is the model's own.
    return rounded(f1_interval(cells)) if cells else None


def describe_alone(figures: Metrics, n: int, interval: list[float] | None) -> str:
    """Return the model's accuracy, or mean score, as a sentence with its interval."""
    if not n:
        return "there is no row with an answer, n = 0"
    score = figures.get("score")
    if score is not None:
        said = f"a mean score of {score:.3f}"
        return f"{said}{_of(interval, '{:.3f}')}, n = {n}"
    points = None if interval is None else [100 * bound for bound in interval]
    return f"{percent(figures['accuracy'] or 0)} right{_of(points, '{:.1f}')}{' %' if points else ''}, n = {n}"


def _of(interval: list[float] | None, form: str) -> str:
    return "" if interval is None else f", 95 % interval {' to '.join(form.format(bound) for bound in interval)}"
