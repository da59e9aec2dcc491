"""The significance of the difference between two models on paired rows; pure.

Every number is of the rows that both models answered; a difference is the fine-tuned model's metric less the base's.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

ALPHA = 0.05
RESAMPLES = 10_000
SEED = 0

_Z = 1.959963984540054
"""The 97.5 % quantile of the standard normal distribution."""

_BLOCK = 2**20
"""So many counts of cells are drawn at once: a few MiB, however many cells there are."""

Cell = tuple[str, str | None, str | None]
"""What was expected, what the base answered, what the fine-tuned answered; None is an answer that is no label."""

Interval = tuple[float, float]
_Counts = npt.NDArray[np.int64]


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
    return {
        "n": paired.n,
        "base_model_only": paired.base_model_only,
        "fine_tuned_only": paired.fine_tuned_only,
        "test": "mcnemar_mid_p",
        "p_value": float(f"{p_value:.4g}"),
        "p_value_exact": float(f"{exact:.4g}"),
        "accuracy_difference_interval": _rounded(accuracy),
        "f1_difference_interval": _rounded(f1),
        "verdict": _verdict(paired, p_value),
        "summary": _summary(paired, p_value, accuracy),
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
    tuned_low, tuned_high = _wilson(tuned, n)
    base_low, base_high = _wilson(base, n)
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


def _wilson(right: int, n: int) -> Interval:
    """Return the 95 % interval of a proportion; Wilson 1927, Journal of the American Statistical Association 22:209."""
    share, square = right / n, _Z * _Z
    middle = share + square / (2 * n)
    reach = _Z * math.sqrt(share * (1 - share) / n + square / (4 * n * n))
    return (middle - reach) / (1 + square / n), (middle + reach) / (1 + square / n)


def f1_interval(cells: Mapping[Cell, int]) -> Interval | None:
    """Return the 95 % bootstrap interval of the difference of the macro F1, both models on the same resamples.

    None where every resample has the same difference: an interval of no width would claim what nobody knows.

    Efron 1979, Annals of Statistics 7:1-26: rows drawn with replacement, the percentile interval of 10,000 resamples
    with a fixed seed. Rows that are alike in all that counts are drawn together, as multinomial counts of their
    cells: the same distribution, at a cost that does not grow with the rows. In a resample F1 is averaged, as it is
    in the figures, over the labels that are expected in it.
    """
    # In their own order, so that the same rows give the same interval whichever order they were read in.
    kinds = sorted(cells, key=lambda cell: (cell[0], cell[1] or "", cell[2] or ""))
    sizes = np.array([cells[kind] for kind in kinds], dtype=np.int64)
    labels = {label: number for number, label in enumerate(sorted({expected for expected, _, _ in kinds}))}
    expected = np.array([labels[kind[0]] for kind in kinds])
    roles = [np.array([labels.get(kind[role] or "", -1) for kind in kinds]) for role in (1, 2)]
    n, draw = int(sizes.sum()), np.random.default_rng(SEED)
    at_once = max(1, _BLOCK // len(kinds))
    differences = []
    for start in range(0, RESAMPLES, at_once):
        counts = draw.multinomial(n, sizes / n, size=min(at_once, RESAMPLES - start))
        base, tuned = (macro_f1(counts, expected, answered, len(labels)) for answered in roles)
        differences.append(tuned - base)
    drawn = np.concatenate(differences)
    if np.ptp(drawn) < 1e-12:
        return None
    low, high = np.quantile(drawn, (ALPHA / 2, 1 - ALPHA / 2))
    return float(low), float(high)


def macro_f1(counts: _Counts, expected: _Counts, answered: _Counts, labels: int) -> npt.NDArray[np.float64]:
    """Return the macro F1 of each resample.

    ``counts`` has a row for each resample and a column for each cell; ``expected`` and ``answered`` give for each
    cell the number of its label, from 0 below ``labels``, and -1 for an answer that is none of them. A label's F1 is
    2·right / (expected + answered).
    """
    of_label = _sums(counts, expected, labels)
    given = _sums(counts, answered, labels)
    right = _sums(counts, np.where(expected == answered, expected, -1), labels)
    f1 = 2 * right / np.maximum(of_label + given, 1)
    present = of_label > 0
    averages: npt.NDArray[np.float64] = (f1 * present).sum(axis=1) / present.sum(axis=1)
    return averages


def _sums(counts: _Counts, group: _Counts, groups: int) -> _Counts:
    """Return for each resample the counts of the cells of each group, 0 … ``groups`` - 1; those of -1 are left out."""
    order = np.argsort(group, kind="stable")
    sums = np.zeros((len(counts), groups), dtype=np.int64)
    found, starts = np.unique(group[order], return_index=True)
    totals = np.add.reduceat(counts[:, order], starts, axis=1)
    kept = found >= 0
    sums[:, found[kept]] = totals[:, kept]
    return sums


def pairs(cells: Counter[Cell]) -> Paired:
    """Return the paired table of the cells."""
    right: Counter[tuple[bool, bool]] = Counter()
    for (expected, base, tuned), rows in cells.items():
        right[base == expected, tuned == expected] += rows
    return Paired(right[True, True], right[True, False], right[False, True], right[False, False])


def _verdict(paired: Paired, p_value: float) -> str:
    if p_value >= ALPHA:
        return "not_distinguishable"
    return "better" if paired.fine_tuned_only > paired.base_model_only else "worse"


def _summary(paired: Paired, p_value: float, interval: Interval | None) -> str:
    """Return the verdict as a sentence, with the numbers that it rests on."""
    verdict = _verdict(paired, p_value).replace("_", " ")
    if interval is None:
        return f"{verdict}: there is no row that both models answered, n = 0"
    tuned = (paired.both + paired.fine_tuned_only) / paired.n
    base = (paired.both + paired.base_model_only) / paired.n
    low, high = (100 * bound for bound in interval)
    sentence = (
        f"{verdict}: {_percent(tuned)} against {_percent(base)}, 95 % interval of the difference "
        f"{low:+.1f} to {high:+.1f} points, p {_shown(p_value)}, n = {paired.n}"
    )
    if (p_value < ALPHA) == (low <= 0 <= high):
        relation = "includes" if p_value < ALPHA else "excludes"
        sentence += f"; the test and the interval, which {relation} 0, disagree: the verdict is the test's"
    return sentence


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _shown(p_value: float) -> str:
    return "< 0.001" if p_value < 0.001 else f"= {p_value:.3f}"


def _rounded(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [round(bound, 4) for bound in interval]
