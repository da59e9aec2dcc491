"""Curves as numbers."""

import math
import random

import pytest

MODULE = "curves/series.js"


def test_it_works(evaluate):
    record = {
        "name": "loss",
        "count": 2,
        "points": [[10, 0.5, "2026-02-19T10:00:00Z", 3], [20, "NaN", "2026-02-19T10:00:01Z", None]],
    }

    series = evaluate("seriesOf(record)", record=record)

    assert (series["steps"], series["values"], series["lines"]) == ([10, 20], [0.5, "NaN"], [3, None])


def test_smoothing_is_the_unbiased_average(evaluate):
    values = [4.0, 2.0, 8.0, 6.0]
    sums, weights, expected = 0.0, 0.0, []
    for value in values:
        sums, weights = sums * 0.9 + value, weights * 0.9 + 1
        expected.append(sums / weights)

    assert evaluate("smoothed(values, 0.9)", values=values) == pytest.approx(expected)


def test_smoothing_passes_over_what_is_no_number(evaluate):
    assert evaluate("smoothed([1, NaN, Infinity, 1], 0.5)") == [1, "NaN", "NaN", 1]
    assert evaluate("smoothed([3, 4], 0)") == [3, 4]
    assert evaluate("smoothed([], 0.9)") == []


def test_thinning_keeps_every_spike_and_at_most_four_points_a_column(evaluate):
    draw = random.Random(1)
    ys = [draw.random() for _ in range(100_000)]
    ys[77_777], ys[1_234] = 50.0, -50.0

    kept = evaluate("thinned(ys.map((_, i) => i / 250), ys)", ys=ys)

    assert kept == sorted(set(kept))
    assert {0, 1_234, 77_777, 99_999} <= set(kept)
    assert len(kept) <= 4 * 400


def test_thinning_keeps_gaps(evaluate):
    assert evaluate("thinned([0.1, 0.2, 0.3], [1, NaN, 1])") == [0, 1, 2]
    assert evaluate("thinned([0.1, 0.2], [NaN, NaN])") == [0, 1]
    assert evaluate("thinned([], [])") == []


@pytest.mark.parametrize(("x", "place"), [(-5, 0), (1, 0), (1.6, 1), (2.5, 1), (99, 2)])
def test_the_nearest_point(evaluate, x, place):
    assert evaluate("nearest([1, 2, 4], x)", x=x) == place


def test_there_is_no_nearest_of_none(evaluate):
    assert evaluate("nearest([], 1)") == -1


@pytest.mark.parametrize(
    ("low", "high", "found"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0.013, 0.078, [0.02, 0.04, 0.06]),
        (-3, 12, [0, 5, 10]),
        (0, 3000, [0, 1000, 2000, 3000]),
    ],
)
def test_ticks_are_round(evaluate, low, high, found):
    assert evaluate("ticks(low, high, 5)", low=low, high=high) == pytest.approx(found)


@pytest.mark.parametrize(("low", "high"), [(1, 1), (0, 1e-300), (-1e308, 1e308), (1e15, 1e15 + 1)])
def test_ticks_of_strange_spans_end(evaluate, low, high):
    assert len(evaluate("ticks(low, high, 5)", low=low, high=high)) <= 12


def test_logarithmic_ticks_are_powers_of_ten(evaluate):
    assert evaluate("logTicks(1e-5, 10)") == pytest.approx([1e-5, 1e-3, 1e-1, 10])
    assert evaluate("logTicks(0.3, 2)") == pytest.approx([0.5, 1, 2])
    assert len(evaluate("logTicks(1e-300, 1e300)")) <= 8


def test_the_extent_is_of_finite_values(evaluate):
    assert evaluate("extent([3, NaN, -1, Infinity])") == [-1, 3]
    assert evaluate("extent([0, -1, 5], true)") == [5, 5]
    assert evaluate("extent([NaN])") is None


def test_later_points_replace_those_from_their_first_step_on(evaluate):
    steps = """(() => {
        const made = (steps, count) => ({name: 'a', count, steps, values: steps, times: steps, lines: steps});
        return extended(made([1, 2, 3], 3), made([3, 4], 2));
    })()"""

    joined = evaluate(steps)

    assert (joined["steps"], joined["count"]) == ([1, 2, 3, 4], 4)


def test_epochs_between_those_that_are_known(evaluate):
    series = {"steps": [10, 20], "values": [1, 2]}

    assert evaluate("epochsOf([0, 10, 15, 20, 30], series)", series=series) == pytest.approx([1, 1, 1.5, 2, 2])
    assert evaluate("epochsOf([1], undefined)") is None
    assert math.isclose(evaluate("epochsOf([15], series)[0]", series=series), 1.5)
