"""The chart of a curve."""

import math

import pytest
from tunedeck_client.cli.curve import draw, number


def test_it_works():
    rows = draw([(step, 100 - step) for step in range(101)], width=40, height=4)
    assert rows[0].startswith("100 ┤⠉⠑")
    assert rows[3].startswith("  0 ┤")
    assert rows[3].rstrip("⠀").endswith("⣀")
    assert rows[-1].split() == ["0", "100"]
    assert {len(row) for row in rows[:5]} == {40}


def test_a_value_that_is_not_finite_is_marked_under_its_step():
    rows = draw([(0, 1.0), (1, math.nan), (2, math.inf), (3, 1.0)], width=30)
    (marks,) = [row for row in rows if "×" in row]
    assert marks.count("×") == 2


def test_logarithms_are_straight_and_mark_what_has_none():
    points = [(step, 10.0**-step) for step in range(5)]
    rows = draw(points, width=40, height=5, is_log=True)
    linear = draw(points, width=40, height=5)
    assert rows != linear
    assert not any("×" in row for row in rows)
    assert any("×" in row for row in draw([*points, (5, 0.0)], is_log=True))


@pytest.mark.parametrize(
    "points",
    [
        [(7, 0.5)],
        [(0, 1.0), (1, 1.0)],
        [(0, -1.0), (0, 1.0)],
        [(0, 1e308), (1, -1e308)],
        [(0, 5e-324), (2**62, 1e-300)],
        [(step, math.sin(step / 1000)) for step in range(10_000)],
    ],
)
@pytest.mark.parametrize("width", [1, 20, 500])
def test_odd_curves_have_a_chart(points, width):
    rows = draw(points, width=width, height=6)
    assert len([row for row in rows if "┤" in row]) == 6
    assert any(any("⠀" < dot <= "⣿" for dot in row) for row in rows)


def test_without_a_finite_value_there_is_none():
    assert draw([]) == []
    assert draw([(0, math.nan), (1, math.inf)]) == []
    assert draw([(0, -1.0)], is_log=True) == []


def test_numbers_are_short():
    values = (3, 0.25, 1e-9, 123456.789, 12345678, math.nan, -math.inf)
    assert [number(value) for value in values] == ["3", "0.25", "1e-09", "1.2346e+05", "1.2346e+07", "nan", "-inf"]
