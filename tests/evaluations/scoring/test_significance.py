"""Whether a difference is real: against scipy and statsmodels, and the examples of the papers."""

import math
import random
from collections import Counter

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import f1_score
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from services.evaluations.scoring import f1_interval, resampling, significance
from services.evaluations.scoring.significance import Paired
from tests.support.seeds import for_seeds

NO_LABEL = "no label"


def draw_cells(seed, rows, labels=3, base=0.6, tuned=0.7):
    """Return rows by (expected, base's answer, fine-tuned's answer)."""
    draw = random.Random(seed)
    names = [f"label {number}" for number in range(labels)]

    def answer(expected, right):
        return expected if draw.random() < right else draw.choice([*names, None])

    expected = [draw.choice(names) for _ in range(rows)]
    return Counter((label, answer(label, base), answer(label, tuned)) for label in expected)


@for_seeds(100)
def test_p_is_that_of_statsmodels(seed):
    draw = random.Random(seed)
    most = 10 ** draw.randint(1, 5)
    base_only, tuned_only = draw.randint(0, most), draw.randint(0, most)
    reference = mcnemar([[7, base_only], [tuned_only, 3]], exact=True).pvalue

    assert significance.mcnemar(base_only, tuned_only)[0] == pytest.approx(reference, rel=1e-9, abs=1e-300)
    assert significance.mcnemar(tuned_only, base_only) == significance.mcnemar(base_only, tuned_only)


@pytest.mark.parametrize("counts", [(0, 1), (10, 30), (1000, 1200), (49_000, 50_000), (499_000, 500_000)])
def test_p_is_that_of_scipy_at_any_size(counts):
    assert significance.mcnemar(*counts)[0] == pytest.approx(stats.binomtest(counts[0], sum(counts)).pvalue, rel=1e-8)


def test_p_where_it_is_plain():
    assert significance.mcnemar(0, 0) == (1, 1)
    assert significance.mcnemar(8, 8) == pytest.approx((1, 1 - math.comb(16, 8) / 2**17))
    assert significance.mcnemar(0, 10) == pytest.approx((2 / 2**10, 1 / 2**10))
    assert significance.mcnemar(0, 5000) == (0, 0)


@pytest.mark.parametrize(
    ("base_only", "tuned_only", "exact", "mid"),
    [
        (1, 7, 0.0703, 0.0391),  # Fagerland, Lydersen, Laake 2013: the airway hyper-responsiveness of Bentur 2009
        (6, 16, 0.0525, 0.0347),  # the same: complete responses in Cavo 2012
    ],
)
def test_p_is_that_of_the_papers(base_only, tuned_only, exact, mid):
    assert significance.mcnemar(base_only, tuned_only) == pytest.approx((exact, mid), abs=5e-5)


@pytest.mark.parametrize(
    ("both", "tuned_only", "base_only", "neither", "interval"),
    [
        (36, 12, 2, 0, (0.0569, 0.3404)),  # Newcombe 1998, method 10
        (14, 5, 0, 22, (0.0115, 0.2265)),  # Altman, Machin, Bryant, Gardner 2000, table 6.2
        (1, 1, 7, 12, (-0.5069, -0.0256)),  # Fagerland, Lydersen, Laake 2014, of Bentur 2009
    ],
)
def test_the_interval_is_that_of_the_papers(both, tuned_only, base_only, neither, interval):
    found = significance.newcombe(Paired(both, base_only, tuned_only, neither))

    assert found == pytest.approx(interval, abs=1e-4)


@for_seeds(50)
def test_the_interval_is_made_of_wilsons(seed):
    """With phi 0 (one model is always right) it is the square root of two squares of statsmodels' Wilson arms."""
    draw = random.Random(seed)
    n = draw.randint(1, 500)
    base_right = draw.randint(0, n)
    (low, _), (base_low, base_high) = (
        proportion_confint(right, n, alpha=resampling.ALPHA, method="wilson") for right in (n, base_right)
    )
    share = base_right / n

    found = significance.newcombe(Paired(base_right, 0, n - base_right, 0))

    assert found == pytest.approx((1 - share - np.hypot(1 - low, base_high - share), 1 - base_low), abs=1e-12)


def test_the_interval_covers_what_is_true():
    draw = np.random.default_rng(1)
    true = np.array([0.5, 0.08, 0.2, 0.22])
    covered = 0
    for counts in draw.multinomial(80, true, size=2000):
        low, high = significance.newcombe(Paired(*map(int, counts)))
        covered += low <= true[2] - true[1] <= high

    assert 0.94 < covered / 2000 < 0.97


@pytest.mark.parametrize("counts", [(0, 0, 0, 1), (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 7, 0), (5, 0, 0, 5)])
def test_the_interval_stays_within_one(counts):
    low, high = significance.newcombe(Paired(*counts))

    assert -1 - 1e-12 <= low <= high <= 1 + 1e-12


def rows_of(cells):
    rows = [cell for cell, count in cells.items() for _ in range(count)]
    return [[answer or NO_LABEL for answer in column] for column in zip(*rows, strict=True)]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@for_seeds(30)
def test_macro_f1_is_that_of_scikit_learn(seed):
    cells = draw_cells(seed, rows=random.Random(seed).randint(1, 60), labels=4)
    expected, base, _ = rows_of(cells)
    labels = sorted(set(expected))
    numbers = {label: number for number, label in enumerate(labels)}
    kinds = list(cells)

    found = f1_interval.macro_f1(
        np.array([[cells[kind] for kind in kinds]]),
        np.array([numbers[kind[0]] for kind in kinds]),
        np.array([numbers.get(kind[1], -1) for kind in kinds]),
        len(labels),
    )

    assert found[0] == pytest.approx(f1_score(expected, base, labels=labels, average="macro", zero_division=0))


@pytest.mark.soak
def test_the_f1_interval_is_scipys_bootstrap():
    cells = draw_cells(1, rows=150)
    columns = [np.array(column) for column in rows_of(cells)]

    def difference(expected, base, tuned):
        labels = sorted(set(expected))
        base, tuned = (
            f1_score(expected, role, labels=labels, average="macro", zero_division=0) for role in (base, tuned)
        )
        return tuned - base

    reference = stats.bootstrap(
        columns,
        difference,
        paired=True,
        vectorized=False,
        n_resamples=999,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval

    assert f1_interval.f1_interval(cells) == pytest.approx(reference, abs=0.015)


def test_the_f1_interval_is_the_same_each_time_and_in_any_order():
    cells = draw_cells(2, rows=200)
    turned = Counter(dict(reversed(cells.items())))

    assert f1_interval.f1_interval(cells) == f1_interval.f1_interval(turned)


def test_a_model_against_itself_has_no_difference():
    cells = Counter({(expected, base, base): rows for (expected, base, _), rows in draw_cells(3, rows=100).items()})

    assert f1_interval.f1_interval(cells) is None


def test_a_million_rows_cost_what_a_thousand_do():
    few, many = draw_cells(4, rows=1000), draw_cells(4, rows=1000)
    for cell in many:
        many[cell] *= 1000

    narrow, wide = f1_interval.f1_interval(many), f1_interval.f1_interval(few)

    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_it_counts_who_was_right():
    cells = Counter({("a", "a", "a"): 4, ("a", "a", "b"): 3, ("a", None, "a"): 2, ("b", None, "a"): 1})

    assert significance.pairs(cells) == Paired(both=4, base_model_only=3, fine_tuned_only=2, neither=1)


def test_a_manager_can_read_it():
    found = significance.significance(Paired(270, 18, 86, 26), None)

    assert (found["n"], found["base_model_only"], found["fine_tuned_only"]) == (400, 18, 86)
    assert found["verdict"] == "better"
    assert found["f1_difference_interval"] is None
    assert found["summary"] == (
        "better: 89.0 % against 72.0 %, 95 % interval of the difference +12.3 to +21.8 points, p < 0.001, n = 400"
    )
    assert significance.significance(Paired(270, 86, 18, 26), None)["verdict"] == "worse"


def test_what_may_be_chance_is_called_so():
    found = significance.significance(Paired(50, 4, 6, 40), None)

    assert found["verdict"] == "not_distinguishable"
    assert found["summary"].startswith("not distinguishable: 56.0 % against 54.0 %")


def test_it_says_where_the_test_and_the_interval_disagree():
    found = significance.significance(Paired(7, 0, 4, 9), None)

    assert (found["p_value"], found["p_value_exact"]) == (0.0625, 0.125)
    assert found["accuracy_difference_interval"] == [0.0001, 0.3707]
    assert found["verdict"] == "not_distinguishable"
    assert "which excludes 0, disagree: the verdict is the test's" in found["summary"]


def test_the_verdict_is_the_mid_ps():
    found = significance.significance(Paired(1, 7, 1, 12), None)

    assert (found["test"], found["p_value"], found["p_value_exact"]) == ("mcnemar_mid_p", 0.03906, 0.07031)
    assert found["verdict"] == "worse"


def test_no_rows_tell_nothing():
    found = significance.significance(Paired(0, 0, 0, 0), Counter())

    assert (found["p_value"], found["verdict"]) == (1, "not_distinguishable")
    assert found["accuracy_difference_interval"] is found["f1_difference_interval"] is None
    assert found["summary"].endswith("n = 0")
