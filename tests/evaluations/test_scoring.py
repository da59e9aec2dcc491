"""The arithmetic, against scikit-learn."""

import random

import pytest
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from services.evaluations import scoring

BASE = {"accuracy": 0.72, "f1_score": 0.70, "precision": 0.71, "recall": 0.69}
TUNED = {"accuracy": 0.89, "f1_score": 0.87, "precision": 0.88, "recall": 0.86}


def figures(expected, answers):
    tally = scoring.Tally()
    for label, answer in zip(expected, answers, strict=True):
        tally.add(label, answer, 10)
    return tally.figures()


@pytest.mark.parametrize("seed", range(200))
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
def test_it_works_as_scikit_learn(seed):
    draw = random.Random(seed)
    labels = [f"label {number}" for number in range(draw.randint(1, 6))]
    expected = [draw.choice(labels) for _ in range(draw.randint(1, 60))]
    answers = [
        label if draw.random() < 0.6 else draw.choice([*labels, "never expected", "none of them"]) for label in expected
    ]
    averages = precision_recall_fscore_support(
        expected, answers, labels=sorted(set(expected)), average="macro", zero_division=0
    )

    found = figures(expected, answers)

    assert found["accuracy"] == pytest.approx(accuracy_score(expected, answers), abs=1e-12)
    assert (found["precision"], found["recall"], found["f1_score"]) == pytest.approx(averages[:3], abs=1e-12)
    assert found["avg_response_time_ms"] == 10


@pytest.mark.parametrize(
    "answer", ["positive", " Positive.\n", "POSITIVE!!", "ｐｏｓｉｔｉｖｅ", "positive…", "positive ."]
)
def test_an_answer_is_right_however_it_is_written(answer):
    assert scoring.is_correct(answer, "Positive")


@pytest.mark.parametrize("answer", ["", "negative", "very positive", "positive or negative", "C"])
def test_another_answer_is_wrong(answer):
    assert not scoring.is_correct(answer, "positive")
    assert not scoring.is_correct(answer, "C#")


def test_the_figures_are_of_the_normalised_labels():
    found = figures(["Positive", "positive", "NEGATIVE"], ["positive.", "Negative", "negative"])

    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["precision"] == pytest.approx((1 + 1 / 2) / 2)
    assert found["recall"] == pytest.approx((1 / 2 + 1) / 2)
    assert found["f1_score"] == pytest.approx((2 / 3 + 2 / 3) / 2)


def test_results_are_rounded_and_their_deltas_are_not():
    base, tuned = figures(["a"] * 7, ["a"] + ["b"] * 6), figures(["a"] * 7, ["a"] * 2 + ["b"] * 5)
    found = scoring.results(base, tuned)

    assert (found["base_model"]["accuracy"], found["fine_tuned"]["accuracy"]) == (0.1429, 0.2857)
    assert found["improvement"]["accuracy_delta"] == "+100.0%"
    assert found["improvement"]["accuracy_difference"] == 0.1429


def test_no_rows_have_no_figures():
    nothing = scoring.Tally().figures()

    assert set(nothing.values()) == {None}
    assert set(scoring.improvement(nothing, nothing).values()) == {None}


def test_punctuation_alone_is_an_answer():
    assert scoring.is_correct("?", "?")
    assert not scoring.is_correct("!", "?")


def test_the_deltas_are_the_documents():
    assert {name: text for name, text in scoring.improvement(BASE, TUNED).items() if name.endswith("_delta")} == {
        "accuracy_delta": "+23.6%",
        "f1_score_delta": "+24.3%",
        "precision_delta": "+23.9%",
        "recall_delta": "+24.6%",
    }
    assert scoring.improvement(BASE, TUNED)["accuracy_difference"] == 0.17


@pytest.mark.parametrize(
    ("base", "tuned", "delta"),
    [
        (0.5, 0.4, "-20.0%"),
        (0.5, 0.5, "+0.0%"),
        (0.5, 0.49999, "+0.0%"),
        (0.5, 0, "-100.0%"),
        (0, 0.5, None),
        (None, 0.5, None),
        (0.5, None, None),
        (1e-320, 1, None),
    ],
)
def test_a_delta(base, tuned, delta):
    assert scoring.delta(base, tuned) == delta


@pytest.mark.parametrize(
    ("base", "tuned", "winner"),
    [
        (False, True, "fine_tuned"),
        (True, False, "base_model"),
        (True, True, "tie"),
        (False, False, "tie"),
        (None, True, None),
        (True, None, None),
    ],
)
def test_the_winner(base, tuned, winner):
    assert scoring.winner(base, tuned) == winner
