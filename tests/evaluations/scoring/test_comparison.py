"""Comparing several models: against statsmodels and scipy."""

import random

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from services.evaluations.scoring.comparison import compare_pairs, holm
from tests.support.seeds import for_seeds


def drawn(seed, rows, models, *, graded):
    draw = np.random.default_rng(seed)
    found = []
    for model in range(models):
        right = draw.random(rows) < 0.5 + model / 10
        scores = np.round(draw.random(rows), 2) * right if graded else right.astype(float)
        scores[draw.random(rows) < 0.05] = np.nan
        found.append(scores)
    return found


def test_holm_is_what_it_is_by_hand():
    # By hand: 4 × 0.005, 3 × 0.01, 2 × 0.03, 1 × 0.04 but no smaller.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.5, 0.9]) == [1.0, 1.0]


@for_seeds(10)
def test_holm_is_that_of_statsmodels(seed):
    draw = random.Random(seed)
    values = [draw.random() ** draw.randint(1, 6) for _ in range(draw.randint(1, 190))]

    assert holm(values) == pytest.approx(multipletests(values, method="holm")[1])


@for_seeds(20)
def test_the_test_is_mcnemars_on_the_rows_that_both_answered(seed):
    models = drawn(seed, 200, 4, graded=False)
    for pair, (a, b) in zip(
        compare_pairs(dict(enumerate(models)), graded=False), [(0, 1), (0, 2), (1, 2), (0, 3)], strict=False
    ):
        both = ~np.isnan(models[a]) & ~np.isnan(models[b])
        first, second = models[a][both] == 1, models[b][both] == 1
        counts = [[(first & second).sum(), (first & ~second).sum()], [(~first & second).sum(), 0]]
        exact = mcnemar(counts, exact=True).pvalue
        point = stats.binom.pmf(min(counts[0][1], counts[1][0]), counts[0][1] + counts[1][0], 0.5)

        assert (pair.a, pair.b, pair.n) == (a, b, both.sum())
        if counts[0][1] != counts[1][0]:
            assert pair.p_value == pytest.approx(exact - point, abs=1e-9)


@for_seeds(20)
def test_graded_scores_are_compared_by_wilcoxons_test(seed):
    first, second = drawn(seed, 120, 2, graded=True)
    (pair,) = compare_pairs({0: first, 1: second}, graded=True)
    both = ~np.isnan(first) & ~np.isnan(second)
    differences = np.round(second[both] - first[both], 6)
    reference = stats.wilcoxon(differences[differences != 0], correction=False, method="approx").pvalue

    assert pair.p_value == pytest.approx(reference, rel=1e-6)


def test_models_alike_do_not_differ_and_one_has_no_pair():
    same = np.ones(10)

    assert [pair.different for pair in compare_pairs({0: same, 1: same}, graded=False)] == [False]
    assert compare_pairs({0: same}, graded=True) == compare_pairs({}, graded=False) == []
    assert compare_pairs({0: np.full(3, np.nan), 1: same}, graded=True)[0].n == 0


def test_true_differences_are_found_and_others_seldom():
    """Of models that are all alike some pair differs in at most 5 % of the cases, however many pairs there are."""
    draw = np.random.default_rng(3)
    wrong = sum(
        any(
            pair.different
            for pair in compare_pairs(dict(enumerate((draw.random((6, 100)) < 0.7).astype(float))), graded=False)
        )
        for _ in range(200)
    )
    assert wrong <= 200 * 0.08

    apart = [(draw.random(400) < share).astype(float) for share in (0.5, 0.7, 0.9)]
    pairs = compare_pairs(dict(enumerate(apart)), graded=False)
    assert [(pair.a, pair.b) for pair in pairs] == [(0, 1), (0, 2), (1, 2)]
    assert all(pair.different for pair in pairs)
    assert all(pair.p_value_adjusted >= pair.p_value for pair in pairs)
