"""Compares several models on one test set: a paired test of each two, corrected for their number; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from services.evaluations.scoring.resampling import ALPHA
from services.evaluations.scoring.score_significance import signed_rank_p
from services.evaluations.scoring.significance import mcnemar

Outcomes = npt.NDArray[np.float64]
"""For each row of the set a model's score, 1 or 0 where an answer is right or wrong; NaN where it has none."""


class Compared(NamedTuple):
    """Two models by their ids, and the test of their difference, over the ``n`` rows that both answered."""

    a: int
    b: int
    n: int
    p_value: float
    p_value_adjusted: float
    different: bool


def compare_pairs(models: Mapping[int, Outcomes], *, graded: bool) -> list[Compared]:
    """Test each two models on the rows that both answered, with Holm's correction over all pairs.

    The test is McNemar's mid-p where answers are right or wrong, Wilcoxon's signed ranks where they are graded: a
    bootstrap would take a second for each of up to 190 pairs.
    """
    ids = list(models)
    pairs = [(a, b) for number, b in enumerate(ids) for a in ids[:number]]
    tested = [_test(models[a], models[b], graded=graded) for a, b in pairs]
    adjusted = holm([p_value for _, p_value in tested])
    return [
        Compared(a, b, n, p_value, corrected, corrected < ALPHA)
        for (a, b), (n, p_value), corrected in zip(pairs, tested, adjusted, strict=True)
    ]


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values adjusted for their number, in their order: each as if it alone were compared with 0.05.

    Holm 1979, Scandinavian Journal of Statistics 6:65-70: the smallest times their number, the next times one less,
    and so on, none smaller than the one before it.
    """
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def _test(first: Outcomes, second: Outcomes, *, graded: bool) -> tuple[int, float]:
    rows = min(len(first), len(second))
    both = ~(np.isnan(first[:rows]) | np.isnan(second[:rows]))
    # As the results of one evaluation have them: scores to four decimals, their differences to six.
    differences = np.round(second[:rows][both] - first[:rows][both], 6)
    if not graded:
        return int(both.sum()), mcnemar(int((differences < 0).sum()), int((differences > 0).sum()))[1]
    return int(both.sum()), signed_rank_p(differences, np.ones(len(differences)))
