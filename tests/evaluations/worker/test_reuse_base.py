"""`reuse_base`: the base's answers of an earlier evaluation are taken over where everything is the same."""

import pytest

from tests.support.databases import only_on

EVALUATIONS = "/api/v1/evaluations"


@pytest.fixture
def of_base(inference):
    """Return how often the base was asked a row."""
    return lambda: sum(count for (model, _), count in inference.asked.items() if model == "base")


@pytest.fixture
def first(start_worker, inference, new_set, rows, evaluate, ended):
    """Return the test set of an evaluation that is over, one of whose base's answers is an error, and its number."""
    rows = rows(20)
    inference.answers = {("base", text): "negative" for text, _ in rows[:5]}
    inference.faults["base", rows[7][0]] = [lambda answer: answer.answer(None)]
    path = new_set(rows)
    number = evaluate(path, max_error_rate=0.5)
    start_worker()
    assert ended(number)["results"]["n"] == 19
    return path, number


def test_it_works(first, evaluate, ready_model, inference, ended, of_base):
    path, source = first
    asked = of_base()
    inference.models.append("other")
    number = evaluate(path, ready_model(served_name="other"), reuse_base=True)
    record = ended(number)

    assert (record["status"], record["error"]) == ("completed", None)
    results = record["results"]
    assert (results["n"], results["base_model"]["accuracy"], results["fine_tuned"]["accuracy"]) == (20, 0.75, 1)
    assert of_base() == asked + 1  # the row that was in error
    assert record["provenance"]["base_answers_of"] == source
    assert (
        f"The base model's answers, and their times, are those of evaluation {source}: it was not asked again."
        in results["warnings"]
    )
    assert results["base_model"]["tokens"] == {"input": 140, "output": 40}
    assert [example["winner"] for example in record["examples"]] == ["fine_tuned"] * 5 + ["tie"] * 15


@only_on("postgresql")
def test_in_blocks_and_by_another_rule(first, start_worker, evaluate, ended, of_base):
    path, _ = first
    asked = of_base()
    start_worker(INFERENCE_ORDER="blocks")
    results = ended(evaluate(path, reuse_base=True, scoring="labels"))["results"]

    assert (results["n"], of_base()) == (20, asked + 1)


@only_on("postgresql")
@pytest.mark.parametrize(
    "how",
    [
        {"prompt": {"system": "Another."}},
        {"prompt": {"template": "{{ input }}", "examples": [{"input": "a", "expected": "b"}]}},
        {"generation": {"max_tokens": 5}},
        {"generation": {"base_model": {"temperature": 1}}},
        {"scoring": "text"},  # asks without the labels
        {"base_model_name": "tuned", "allow_same_model": True},
    ],
    ids=str,
)
def test_nothing_is_taken_over_where_something_differs(first, inference, evaluate, ended, how):
    path, _ = first
    asked = inference.asked.total()
    record = ended(evaluate(path, reuse_base=True, **how))

    assert record["status"] == "completed", record["error"]
    assert inference.asked.total() == asked + 2 * 20
    assert "base_answers_of" not in record["provenance"]
    assert any(warning.startswith("reuse_base: no earlier evaluation") for warning in record["results"]["warnings"])


@only_on("postgresql")
def test_nothing_is_taken_over_from_another_content_or_another_model(
    first, inference, new_set, rows, evaluate, ended, of_base
):
    path, _ = first
    asked = of_base()
    inference.says_its_name = True  # as if the server had another model under the name
    assert ended(evaluate(path, reuse_base=True))["status"] == "completed"
    assert of_base() == asked + 20
    new_set([("new", "positive")] * 20, path.removeprefix("datasets/"))
    assert ended(evaluate(path, reuse_base=True))["status"] == "completed"
    assert of_base() == asked + 20 + 20


@only_on("postgresql")
def test_what_differs_for_the_fine_tuned_model_alone_is_no_obstacle(first, inference, evaluate, ended, of_base):
    path, _ = first
    asked = of_base()
    record = ended(evaluate(path, reuse_base=True, generation={"fine_tuned": {"max_tokens": 5}}))

    assert record["status"] == "completed"
    assert of_base() == asked + 1


@only_on("postgresql")
def test_a_kill_loses_nothing_of_it(start_worker, inference, new_set, rows, evaluate, ended, until, of_base):
    rows = rows(20)
    path = new_set(rows)
    source = evaluate(path)
    worker = start_worker()
    ended(source)
    worker.kill()
    inference.held = {("tuned", text) for text, _ in rows[10:]}
    number = evaluate(path, reuse_base=True)
    second = start_worker()
    until(number, lambda found: found["status"] == "running" and found["progress"]["done"] >= 8)
    second.kill()
    inference.held = set()
    inference.go_on.set()
    start_worker()
    record = ended(number, within_s=60)

    assert (record["results"]["n"], record["provenance"]["base_answers_of"]) == (20, source)
    assert of_base() == 20
    assert any(f"those of evaluation {source}" in warning for warning in record["results"]["warnings"])
