"""Servers that cannot be asked in the usual way are asked in theirs, and the results say how."""

import pytest

from tests.support.databases import only_on
from tests.support.evaluations import requests_for

pytestmark = only_on("postgresql")


def without_system(path, body):
    if body["messages"][0]["role"] == "system":
        return 400, "System role not supported"
    return None


def template_that_raises(path, body):
    if body["messages"][0]["role"] == "system":
        return 500, "Conversation roles must alternate user/assistant/user/assistant/..."
    return None


def newer_openai(path, body):
    if "max_tokens" in body:
        said = "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
        return 400, f"Unsupported parameter: {said}"
    if "temperature" in body:
        return 400, "Unsupported value: 'temperature' does not support 0 with this model."
    return None


def base_without_template(path, body):
    if path == "/chat/completions" and body["model"] == "base":
        return 400, "default chat template is no longer allowed, so you must provide a chat template"
    return None


def no_chat_at_all(path, body):
    return (404, "Not Found") if path == "/chat/completions" else None


FOLDED = ["The system message stands before the first user message: the server refuses one."]
COMPLETES = ["It is asked for text completions: the model has no chat template."]


@pytest.mark.parametrize(
    ("refuses", "adapted"),
    [
        (without_system, {"base_model": FOLDED, "fine_tuned": FOLDED}),
        (template_that_raises, {"base_model": FOLDED, "fine_tuned": FOLDED}),
        (
            newer_openai,
            dict.fromkeys(
                ("base_model", "fine_tuned"),
                ["temperature is not sent: the server refuses it.", "max_tokens is sent as max_completion_tokens."],
            ),
        ),
        (base_without_template, {"base_model": COMPLETES}),
        (no_chat_at_all, {"base_model": COMPLETES, "fine_tuned": COMPLETES}),
    ],
)
def test_it_works(start_worker, inference, new_set, rows, evaluate, ended, refuses, adapted):
    rows = rows(4)
    inference.refuses = refuses
    evaluation = evaluate(new_set(rows))
    start_worker()
    record = ended(evaluation)

    assert record["status"] == "completed", record["error"]
    assert record["provenance"]["adapted"] == adapted
    assert record["results"]["n"] == 4
    # Each thing is refused once, to one model, during warm-up and never of a row.
    assert len(inference.refused) == sum(len(said) for said in adapted.values())
    assert inference.asked == dict.fromkeys(requests_for(rows), 1)
    assert all("positive" in str(body) for body in inference.bodies)


def test_what_cannot_be_adapted_to_fails_it_with_the_servers_words(start_worker, inference, test_set, evaluate, ended):
    inference.refuses = lambda path, body: (400, '"tuned" does not support generate')
    evaluation = evaluate(test_set)
    start_worker()
    error = ended(evaluation)["error"]

    assert 'gives no answer: 400: "tuned" does not support generate' in error
    assert "does not know the model" not in error
    assert len(inference.refused) == 1


def test_a_server_that_refuses_all_is_given_up(start_worker, inference, test_set, evaluate, ended):
    inference.refuses = lambda path, body: (
        400,
        "Unsupported: chat template, temperature, seed, max_tokens, system role",
    )
    evaluation = evaluate(test_set)
    start_worker()

    assert "gives no answer: 400: Unsupported" in ended(evaluation)["error"]
    assert len(inference.refused) < 10


def test_a_model_that_the_server_lists_by_its_tag_is_known(start_worker, inference, test_set, evaluate, ended):
    inference.models = ["base:latest", "tuned:latest", "tuned", "base"]
    inference.faults["base", "Hello"] = [lambda answer: answer.send(404, {"error": "the template was not found"})] * 2
    evaluation = evaluate(test_set)
    start_worker()

    assert "does not know" not in (ended(evaluation)["error"] or "")


@pytest.mark.parametrize("allowed", [True, False])
def test_two_names_of_one_model(start_worker, inference, test_set, evaluate, ended, allowed):
    evaluation = evaluate(test_set, fine_tuned_served_name="base", allow_same_model=allowed)
    start_worker()
    record = ended(evaluation)

    if allowed:
        assert record["status"] == "completed"
    else:
        assert record["error"] == "Both models are asked as 'base'; allow_same_model allows it."


def test_one_model_behind_two_names_may_be_allowed(start_worker, inference, new_set, rows, evaluate, ended):
    def whatever(answer):
        answer.send(200, {"model": "the only one", "choices": [{"message": {"content": "positive"}}]})

    rows = rows(6)
    everything = [(model, text) for model in ("base", "tuned") for text in ("Hello", *(text for text, _ in rows))]
    inference.faults = {key: [whatever] for key in everything}
    evaluation = evaluate(new_set(rows), allow_same_model=True)
    start_worker()
    record = ended(evaluation)

    assert record["status"] == "completed"
    assert any("Both models gave the same answer to every row" in said for said in record["results"]["warnings"])
