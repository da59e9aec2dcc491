"""Where rows lie when a few are higher than the others."""

import random

import pytest

MODULE = "log/heights.js"


def test_it_works(evaluate):
    steps = """(() => {
        const heights = new Heights();
        heights.set([[2, 5]]);
        return [heights.total(4), heights.start(2), heights.start(3), heights.at(4.5)];
    })()"""

    assert evaluate(steps) == [8, 2, 7, {"row": 2, "part": 0.5}]


def test_without_tall_rows_a_row_is_its_place(evaluate):
    assert evaluate("new Heights().at(1234567.25)") == {"row": 1234567, "part": 0.25}


@pytest.mark.parametrize("seed", range(10))
def test_a_place_is_that_of_its_row(evaluate, seed):
    draw = random.Random(seed)
    tall = sorted((row, draw.uniform(1.5, 40)) for row in draw.sample(range(200), 20))
    steps = """(() => { const heights = new Heights(); heights.set(tall);
        return places.map((place) => { const {row, part} = heights.at(place);
            return heights.start(row) + part * (heights.start(row + 1) - heights.start(row)); }); })()"""
    places = [draw.uniform(0, 250) for _ in range(100)]

    assert evaluate(steps, tall=tall, places=places) == pytest.approx(places)
