"""GET /api/v1/datasets/:name/ranking: all models on a test set, and which differences are real"""

import pytest
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from tests.support.databases import one_database, only_on

DATASETS = "/api/v1/datasets"
EVALUATIONS = "/api/v1/evaluations"
MODELS = "/api/v1/models"
N = 60


@pytest.fixture
def rank(evaluations):
    def rank(path, **query):
        answer = evaluations.get(f"/api/v1/{path}/ranking", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return rank


@pytest.fixture
def served(inference, ready_model):
    """Create a model that is right in the rows from ``start`` on, and return its number."""

    def served(name, rows, start, right=None, wrong="negative"):
        inference.models.append(name)
        inference.answers |= {
            (name, text): (right or expected) if number >= start else wrong
            for number, (text, expected) in enumerate(rows)
        }
        return ready_model(name=f"Model {name}", served_name=name)

    return served


def test_it_works(start_worker, inference, new_set, rows, evaluate, ended, served, rank):
    rows = rows(N)
    path = new_set(rows)
    worst, middle, best = (served(name, rows, start) for name, start in (("worst", 40), ("middle", 5), ("best", 3)))
    inference.faults["best", rows[59][0]] = [lambda answer: answer.answer(None)]
    first = evaluate(path, best, base=None, fine_tuned_served_name="worst")  # an earlier one, that another replaces
    evaluations = {model: evaluate(path, model, base=None) for model in (worst, middle, best)}
    start_worker()
    for number in (first, *evaluations.values()):
        assert ended(number)["status"] == "completed"
    found = rank(path)

    assert (found["test_set_path"], len(found["sha256"]), found["total"]) == (path, 64, 3)
    assert (found["scoring"], found["test"]) == ({"rule": "labels", "extract_label": False}, "mcnemar_mid_p")
    assert [each["model_id"] for each in found["data"]] == [best, middle, worst]
    assert [each["evaluation_id"] for each in found["data"]] == [evaluations[each] for each in (best, middle, worst)]
    assert [each["n"] for each in found["data"]] == [59, 60, 60]
    assert found["data"][0]["name"] == "Model best"
    assert found["data"][1]["score"] == round(55 / 60, 4)
    assert found["data"][1]["interval"] == pytest.approx(proportion_confint(55, 60, method="wilson"), abs=1e-4)
    pairs = {(pair["a"], pair["b"]): pair for pair in found["pairs"]}
    assert {(best, middle), (best, worst), (middle, worst)} == set(pairs)
    assert (pairs[best, middle]["n"], pairs[middle, worst]["n"]) == (59, 60)
    exact = mcnemar([[0, 35], [0, 0]], exact=True).pvalue
    assert pairs[middle, worst]["p_value"] == pytest.approx(exact / 2, rel=1e-3)
    assert pairs[middle, worst]["p_value_adjusted"] == pytest.approx(exact, rel=1e-3)
    assert [pair["different"] for pair in pairs.values()] == [False, True, True]


@only_on("postgresql")
def test_only_the_same_scoring_and_the_present_content_compare(
    start_worker, evaluations, new_set, rows, evaluate, ended, served, rank
):
    rows = rows(N)
    path = new_set(rows)
    longer = [served(name, rows, start, "It is positive") for name, start in (("one", 2), ("two", 30))]
    for model in longer:
        assert rank(path)["data"] == []
        evaluate(path, model, base=None)
    start_worker()
    graded = [evaluate(path, model, base=None, scoring="token_f1") for model in longer]
    for number in graded:
        assert ended(number)["status"] == "completed"

    found = rank(path)
    assert (found["scoring"], found["test"], found["total"]) == ({"rule": "token_f1"}, "wilcoxon", 2)
    assert [each["model_id"] for each in found["data"]] == longer
    low, high = found["data"][0]["interval"]
    assert low < found["data"][0]["score"] < high
    assert found["pairs"][0]["different"]
    by_labels = rank(path, scoring="labels")
    assert [each["score"] for each in by_labels["data"]] == [0, 0]
    assert [pair["different"] for pair in by_labels["pairs"]] == [False]
    assert rank(path, scoring="exact") == {**found, "scoring": None, "test": "mcnemar_mid_p", "total": 0} | {
        "data": [],
        "pairs": [],
    }
    new_set(rows[:30], path.removeprefix("datasets/"))
    assert rank(path)["data"] == []


def test_what_others_reported_is_not_ranked(new_set, rows, evaluate, put, rank):
    """Nobody knows what content of the set it was about."""
    path = new_set(rows(3))
    put(evaluate(path), status="completed", results={"base_model": {}, "fine_tuned": {"accuracy": 1}})

    assert (rank(path)["data"], rank(path)["pairs"], rank(path)["scoring"]) == ([], [], None)


def test_it_rejects_a_set_that_is_not_there(evaluations):
    assert evaluations.get(f"{DATASETS}/no-such-set/ranking").status_code == 404


@one_database
def test_it_rejects_a_rule_that_is_none(evaluations):
    answer = evaluations.get(f"{DATASETS}/any/ranking", params={"scoring": "unknown"})

    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == ["scoring"]
