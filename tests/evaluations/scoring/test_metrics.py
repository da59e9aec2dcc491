"""The arithmetic, against scikit-learn."""

import itertools
import random
import tracemalloc

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from services.evaluations.scoring import graders, metrics
from services.evaluations.scoring.graders import LabelGrader, TextGrader
from tests.support.seeds import for_seeds

BASE = {"accuracy": 0.72, "f1_score": 0.70, "precision": 0.71, "recall": 0.69}
TUNED = {"accuracy": 0.89, "f1_score": 0.87, "precision": 0.88, "recall": 0.86}


def figures(expected, answers, grader=None, ms=(10,)):
    grader = grader or LabelGrader(expected, extract=False)
    tally = metrics.Tally()
    for label, answer, time in zip(expected, answers, itertools.cycle(ms)):
        tally.add(grader.label(label), grader.grade(answer, label), time)
    return tally.metrics(of_labels=isinstance(grader, LabelGrader))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@for_seeds(200)
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
    assert graders.is_correct(answer, "Positive")


@pytest.mark.parametrize("answer", ["", "negative", "very positive", "positive or negative", "C"])
def test_another_answer_is_wrong(answer):
    assert not graders.is_correct(answer, "positive")
    assert not graders.is_correct(answer, "C#")


def test_the_figures_are_of_the_normalised_labels():
    found = figures(["Positive", "Positive", "NEGATIVE"], ["positive.", "Negative", "negative"])

    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["precision"] == pytest.approx((1 + 1 / 2) / 2)
    assert found["recall"] == pytest.approx((1 / 2 + 1) / 2)
    assert found["f1_score"] == pytest.approx((2 / 3 + 2 / 3) / 2)


def test_results_are_rounded_and_their_deltas_are_not():
    base, tuned = figures(["a"] * 7, ["a"] + ["b"] * 6), figures(["a"] * 7, ["a"] * 2 + ["b"] * 5)

    assert [metrics.rounded(each)["accuracy"] for each in (base, tuned)] == [0.1429, 0.2857]
    found = metrics.improvement(base, tuned)
    assert (found["accuracy_delta"], found["accuracy_difference"]) == ("+100.0%", 0.1429)


def test_no_rows_have_no_figures():
    nothing = metrics.Tally().metrics(of_labels=True)

    assert set(nothing.values()) == {None, 0}
    assert set(metrics.improvement(nothing, nothing).values()) == {None}


def test_punctuation_alone_is_an_answer():
    assert graders.is_correct("?", "?")
    assert not graders.is_correct("!", "?")


def test_the_deltas_are_the_documents():
    assert {name: text for name, text in metrics.improvement(BASE, TUNED).items() if name.endswith("_delta")} == {
        "accuracy_delta": "+23.6%",
        "f1_score_delta": "+24.3%",
        "precision_delta": "+23.9%",
        "recall_delta": "+24.6%",
    }
    assert metrics.improvement(BASE, TUNED)["accuracy_difference"] == 0.17


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
    assert metrics.delta(base, tuned) == delta


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
    assert metrics.winner(base, tuned) == winner


@for_seeds(20)
def test_the_percentiles_are_numpys(seed):
    times = np.random.default_rng(seed).lognormal(4, 1, size=seed * 50 + 1)
    found = figures(["a"] * len(times), ["a"] * len(times), ms=times)

    assert found["avg_response_time_ms"] == pytest.approx(times.mean())
    for name, percent in (("p50_response_time_ms", 50), ("p95_response_time_ms", 95)):
        assert found[name] == pytest.approx(np.percentile(times, percent, method="inverted_cdf"), rel=0.005)


def test_what_is_no_label_is_invalid():
    found = figures(["a", "b", "b"], ["a", "an a", "c"])

    assert (found["invalid"], found["extracted"]) == (2, 0)
    assert found["accuracy"] == pytest.approx(1 / 3)


def test_text_has_an_accuracy_and_no_averages():
    found = figures(["one", "Two"], ["one", " two. "], TextGrader())

    assert found["accuracy"] == 1
    assert [found[name] for name in ("f1_score", "precision", "recall", "invalid", "extracted")] == [None] * 5


def test_times_take_no_more_memory_for_more_of_them():
    times, draw = metrics.Times(), random.Random(1)
    tracemalloc.start()
    for _ in range(20_000):
        times.add(draw.lognormvariate(4, 1))
    few, _ = tracemalloc.get_traced_memory()
    for _ in range(200_000):
        times.add(draw.lognormvariate(4, 1))
    many, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert many - few < 100_000
