"""The significance of the difference of two models' graded scores on paired rows; pure."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from services.evaluations.scoring.resampling import (
    RESAMPLES,
    Interval,
    draw_resamples,
    percentile_interval,
    rounded,
)
from services.evaluations.scoring.significance import describe_p, judge_difference

Pair = tuple[float, float]
"""The base's score and the fine-tuned model's, of one row."""


def score_significance(pairs: Counter[Pair]) -> dict[str, Any]:
    """Return ``results.significance`` of graded scores: a paired bootstrap of the mean, and Wilcoxon's test."""
    n = pairs.total()
    differences: Counter[float] = Counter()
    for (base, tuned), rows in pairs.items():
        differences[round(tuned - base, 6)] += rows
    means = [sum(pair[role] * rows for pair, rows in pairs.items()) / n if n else 0.0 for role in (0, 1)]
    p_value, interval = bootstrap(differences)
    verdict = judge_difference(p_value, means[1] - means[0])
    return {
        "n": n,
        "base_model_only": sum(rows for difference, rows in differences.items() if difference < 0),
        "fine_tuned_only": sum(rows for difference, rows in differences.items() if difference > 0),
        "test": "paired_bootstrap",
        "p_value": float(f"{p_value:.4g}"),
        "p_value_exact": None,
        "wilcoxon_p": float(f"{wilcoxon(differences):.4g}"),
        "accuracy_difference_interval": None,
        "f1_difference_interval": None,
        "score_difference_interval": rounded(interval),
        "verdict": verdict,
        "summary": _summary(verdict, means, interval, p_value, n),
    }


def bootstrap(differences: Counter[float]) -> tuple[float, Interval | None]:
    """Return the two-sided p of the mean difference and its 95 % percentile interval; 1 and None of constant data.

    Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapters 13 and 15: the share of 10,000 resamples on
    the other side of 0, doubled, with one added so that it is never 0.
    """
    if len(differences) < 2:
        return 1.0, None
    values = np.array(sorted(differences))
    sizes = np.array([differences[value] for value in values], dtype=np.int64)
    means = np.concatenate([counts @ values / sizes.sum() for counts in draw_resamples(sizes)])
    beyond = min(int((means <= 0).sum()), int((means >= 0).sum()))
    return min(1.0, 2 * (beyond + 1) / (RESAMPLES + 1)), percentile_interval(means)


def wilcoxon(differences: Counter[float]) -> float:
    """Return the two-sided p of Wilcoxon's signed-rank test; ``signed_rank_p`` says how."""
    return signed_rank_p(np.array(list(differences), dtype=float), np.array(list(differences.values()), dtype=float))


def signed_rank_p(differences: npt.NDArray[np.float64], rows: npt.NDArray[np.float64]) -> float:
    """Return the two-sided p of Wilcoxon's signed-rank test, by the normal approximation, corrected for ties.

    Wilcoxon 1945, Biometrics Bulletin 1:80-83; differences of 0 are left out, as he does. 1 where none is left.
    ``rows`` says of how many rows each difference is.
    """
    kept = differences != 0
    differences, rows = differences[kept], rows[kept]
    sizes, size_of = np.unique(np.abs(differences), return_inverse=True)
    alike = np.bincount(size_of, rows, minlength=len(sizes))
    positive = np.bincount(size_of, rows * (differences > 0), minlength=len(sizes))
    n = float(alike.sum())
    ranks = np.cumsum(alike) - alike + (alike + 1) / 2
    ties = float((alike**3 - alike).sum())
    spread = math.sqrt(max(n * (n + 1) * (2 * n + 1) / 24 - ties / 48, 0))
    distance = abs(float((positive * ranks).sum()) - n * (n + 1) / 4)
    return math.erfc(distance / spread / math.sqrt(2)) if spread else 1.0


def _summary(verdict: str, means: list[float], interval: Interval | None, p_value: float, n: int) -> str:
    said = f"{verdict.replace('_', ' ')}: a mean score of {means[1]:.3f} against {means[0]:.3f}"
    if interval is not None:
        said += f", 95 % interval of the difference {interval[0]:+.3f} to {interval[1]:+.3f}"
    return f"{said}, p {describe_p(p_value)}, n = {n}"
