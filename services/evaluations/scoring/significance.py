"""The significance of the difference between two models on paired rows; pure.

Every number is of the rows that both models answered; a difference is the fine-tuned model's metric less the base's.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.evaluations.scoring.f1_interval import Cell, f1_interval
from services.evaluations.scoring.resampling import ALPHA, Interval, rounded

_Z = 1.959963984540054
"""The 97.5 % quantile of the standard normal distribution."""


@dataclass(frozen=True)
class Paired:
    """A paired table: rows by which model was correct."""

    both: int
    base_model_only: int
    fine_tuned_only: int
    neither: int

    @property
    def n(self) -> int:
        return self.both + self.base_model_only + self.fine_tuned_only + self.neither


def significance(paired: Paired, cells: Mapping[Cell, int] | None) -> dict[str, Any]:
    """Return ``results.significance``; without ``cells`` (rows by what was answered) there is no interval for F1."""
    exact, p_value = mcnemar(paired.base_model_only, paired.fine_tuned_only)
    accuracy = newcombe(paired) if paired.n else None
    f1 = f1_interval(cells) if cells else None
    verdict = judge_difference(p_value, paired.fine_tuned_only - paired.base_model_only)
    return {
        "n": paired.n,
        "base_model_only": paired.base_model_only,
        "fine_tuned_only": paired.fine_tuned_only,
        "test": "mcnemar_mid_p",
        "p_value": float(f"{p_value:.4g}"),
        "p_value_exact": float(f"{exact:.4g}"),
        "accuracy_difference_interval": rounded(accuracy),
        "f1_difference_interval": rounded(f1),
        "verdict": verdict,
        "summary": _summary(paired, verdict, p_value, accuracy),
    }


def mcnemar(base_model_only: int, fine_tuned_only: int) -> tuple[float, float]:
    """Return McNemar's exact two-sided p and its mid-p, with X ~ Binomial(b + c, ½); both 1 where b + c = 0.

    The exact one is min(1, 2·P[X ≤ min(b, c)]); the mid-p takes off P[X = min(b, c)], and is 1 - ½·P[X = b] where
    b = c. McNemar 1947, Psychometrika 12:153-157; both as in Fagerland, Lydersen, Laake 2013, BMC Medical Research
    Methodology 13:91. The tail is summed downwards from its largest term, each by the ratio to the last.
    """
    n, k = base_model_only + fine_tuned_only, min(base_model_only, fine_tuned_only)
    if n == 0:
        return 1.0, 1.0
    point = term = math.exp(math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) - n * math.log(2))
    tail = 0.0
    for right in range(k, -1, -1):
        tail += term
        if term < tail * 1e-17:
            break
        term *= right / (n - right + 1)
    mid = 1 - point / 2 if base_model_only == fine_tuned_only else 2 * tail - point
    return min(1.0, 2 * tail), min(1.0, mid)


def newcombe(paired: Paired) -> Interval:
    """Return the 95 % interval of the difference of the two accuracies, which lies within -1 and 1; n ≥ 1.

    Newcombe 1998, Statistics in Medicine 17:2635-2650, method 10: the Wilson intervals of both, squared and added,
    less what the pairs have in common (phi, its numerator corrected for continuity where it is positive).
    """
    both, base_only, tuned_only, neither = paired.both, paired.base_model_only, paired.fine_tuned_only, paired.neither
    n, tuned, base = paired.n, both + tuned_only, both + base_only
    tuned_low, tuned_high = wilson(tuned, n)
    base_low, base_high = wilson(base, n)
    margins = tuned * (n - tuned) * base * (n - base)
    shared: float = both * neither - base_only * tuned_only
    if shared > 0:
        shared = max(shared - n / 2, 0)
    phi = shared / math.sqrt(margins) if margins else 0.0
    difference = (tuned_only - base_only) / n

    def arm(first: float, second: float) -> float:
        return math.sqrt(max(first * first - 2 * phi * first * second + second * second, 0))

    low = difference - arm(tuned / n - tuned_low, base_high - base / n)
    high = difference + arm(base / n - base_low, tuned_high - tuned / n)
    return low, high


def wilson(right: int, n: int) -> Interval:
    """Return the 95 % interval of a proportion; Wilson 1927, Journal of the American Statistical Association 22:209."""
    share, square = right / n, _Z * _Z
    middle = share + square / (2 * n)
    reach = _Z * math.sqrt(share * (1 - share) / n + square / (4 * n * n))
    return (middle - reach) / (1 + square / n), (middle + reach) / (1 + square / n)


def pairs(cells: Counter[Cell]) -> Paired:
    """Return the paired table of the cells."""
    right: Counter[tuple[bool, bool]] = Counter()
    for (expected, base, tuned), rows in cells.items():
        right[base == expected, tuned == expected] += rows
    return Paired(right[True, True], right[True, False], right[False, True], right[False, False])


def judge_difference(p_value: float, lead: float) -> str:
    """Return the verdict on the fine-tuned model, which has a ``lead`` over the base, or lags."""
    if p_value >= ALPHA:
        return "not_distinguishable"
    return "better" if lead > 0 else "worse"


def _summary(paired: Paired, verdict: str, p_value: float, interval: Interval | None) -> str:
    """Return the verdict as a sentence, with the numbers that it rests on."""
    said = verdict.replace("_", " ")
    if interval is None:
        return f"{said}: there is no row that both models answered, n = 0"
    tuned = (paired.both + paired.fine_tuned_only) / paired.n
    base = (paired.both + paired.base_model_only) / paired.n
    low, high = (100 * bound for bound in interval)
    sentence = (
        f"{said}: {percent(tuned)} against {percent(base)}, 95 % interval of the difference "
        f"{low:+.1f} to {high:+.1f} points, p {describe_p(p_value)}, n = {paired.n}"
    )
    if (p_value < ALPHA) == (low <= 0 <= high):
        relation = "includes" if p_value < ALPHA else "excludes"
        sentence += f"; the test and the interval, which {relation} 0, disagree: the verdict is the test's"
    return sentence


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def describe_p(p_value: float) -> str:
    """Return a p-value as a summary has it."""
    return "< 0.001" if p_value < 0.001 else f"= {p_value:.3f}"
