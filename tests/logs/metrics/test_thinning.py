"""Curves of a bounded number of points, which lose no spike."""

import math
import random

from services.logs.metrics.thinning import Point, thin


def curve(values):
    return [Point(step, value, 0, None) for step, value in enumerate(values)]


def test_a_short_curve_stays_as_it_is():
    points = curve([3.0, 1.0, 2.0])
    assert thin(points, 3) == points
    assert thin([], 2) == []


def test_no_spike_is_lost():
    for seed in range(50):
        chosen = random.Random(seed)
        values = [chosen.random() for _ in range(chosen.randrange(10, 3_000))]
        values[chosen.randrange(len(values))] = 100.0
        values[chosen.randrange(len(values))] = -100.0
        most = chosen.randrange(4, 200)
        points = curve(values)
        thinned = thin(points, most)
        assert len(thinned) <= max(most, 4)
        assert (thinned[0], thinned[-1]) == (points[0], points[-1])
        assert (min(values), max(values)) == (
            min(point.value for point in thinned),
            max(point.value for point in thinned),
        )
        assert [point.step for point in thinned] == sorted({point.step for point in thinned})


def test_what_is_not_finite_is_always_there():
    values = [0.5] * 1_000
    for index in range(100, 200):
        values[index] = math.nan
    values[500] = math.inf
    thinned = thin(curve(values), 10)
    assert sum(math.isnan(point.value) for point in thinned) == 100
    assert sum(math.isinf(point.value) for point in thinned) == 1
    assert len(thinned) <= 10 + 101
