"""Curves of a bounded number of points, which lose no spike."""

import math
import random

from services.logs.metrics.thinning import thin


def test_a_short_curve_stays_as_it_is():
    assert thin([3.0, 1.0, 2.0], 3) == [0, 1, 2]
    assert thin([], 2) == []


def test_no_spike_is_lost():
    for seed in range(50):
        chosen = random.Random(seed)
        values = [chosen.random() for _ in range(chosen.randrange(10, 3_000))]
        values[chosen.randrange(len(values))] = 100.0
        values[chosen.randrange(len(values))] = -100.0
        most = chosen.randrange(4, 200)
        thinned = thin(values, most)
        assert len(thinned) <= max(most, 4)
        assert (thinned[0], thinned[-1]) == (0, len(values) - 1)
        shown = [values[index] for index in thinned]
        assert (min(values), max(values)) == (min(shown), max(shown))
        assert thinned == sorted(set(thinned))


def test_what_is_not_finite_is_always_there():
    values = [0.5] * 1_000
    for index in range(100, 200):
        values[index] = math.nan
    values[500] = math.inf
    thinned = [values[index] for index in thin(values, 10)]
    assert sum(math.isnan(value) for value in thinned) == 100
    assert sum(math.isinf(value) for value in thinned) == 1
    assert len(thinned) <= 10 + 101
