"""Whether a difference of graded scores is real, against scipy."""

from collections import Counter

import numpy as np
import pytest
from scipy import stats

from services.evaluations.scoring.score_significance import bootstrap, score_significance, wilcoxon
from tests.support.seeds import for_seeds


def draw_pairs(seed, rows=60, ahead=0.1):
    draw = np.random.default_rng(seed)
    base = draw.random(rows).round(1)
    return base, np.clip(base + draw.normal(ahead, 0.3, rows), 0, 1).round(1)


@for_seeds(50)
def test_wilcoxon_is_scipys(seed):
    base, tuned = draw_pairs(seed)
    differences = (tuned - base).round(6)
    reference = stats.wilcoxon(differences, zero_method="wilcox", correction=False, method="approx").pvalue

    assert wilcoxon(Counter(differences.tolist())) == pytest.approx(reference, rel=1e-9)


@for_seeds(5)
def test_the_interval_is_scipys_bootstrap(seed):
    base, tuned = draw_pairs(seed)
    differences = (tuned - base).round(6)
    reference = stats.bootstrap(
        [differences], np.mean, n_resamples=9_999, method="percentile", rng=np.random.default_rng(seed)
    ).confidence_interval

    p_value, interval = bootstrap(Counter(differences.tolist()))
    assert interval == pytest.approx(reference, abs=0.01)
    assert (p_value < 0.05) == (interval[0] > 0 or interval[1] < 0)


def test_a_manager_can_read_it():
    base, tuned = draw_pairs(1, rows=400)
    found = score_significance(Counter(zip(base.tolist(), tuned.tolist(), strict=True)))

    assert (found["test"], found["verdict"], found["n"]) == ("paired_bootstrap", "better", 400)
    assert found["summary"].startswith("better: a mean score of 0.")
    assert found["wilcoxon_p"] < 0.05
    assert found["p_value_exact"] is None


@pytest.mark.parametrize("pairs", [{}, {(0.5, 0.5): 9}, {(0.5, 0.7): 3}])
def test_constant_data_has_no_interval(pairs):
    found = score_significance(Counter(pairs))

    assert (found["p_value"], found["score_difference_interval"]) == (1, None)
    assert found["verdict"] == "not_distinguishable"
