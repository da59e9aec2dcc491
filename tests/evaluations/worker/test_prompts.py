"""How rows are asked: system, template, few-shot examples, conversations, parameters of the generation."""

import json

import pytest

from tests.support.databases import only_on
from tests.support.evaluations import question

MODELS = "/api/v1/models"
pytestmark = only_on("postgresql")


@pytest.fixture
def asked(start_worker, inference, put_set, evaluate, ended):
    """Evaluate records; returns the detail, and the bodies of the requests without those that warm up."""

    def asked(records, **how):
        answer = put_set("\n".join(map(json.dumps, records)).encode())
        assert answer.status_code == 200, answer.text
        evaluation = evaluate(answer.json()["path"], **how)
        start_worker(INFERENCE_CONCURRENCY="1")
        record = ended(evaluation)
        return record, [body for body in inference.bodies if question(body) != "Hello"]

    return asked


def test_it_works(asked, new_set):
    shots = new_set([(f"shot {number}", "yes") for number in range(20)])
    records = [{"input": f"in {number}", "expected": "yes", "context": f"of {number}"} for number in range(3)]
    prompt = {
        "system": "Be brief.",
        "examples": [{"input": "one", "expected": "1"}],
        "examples_from": {"test_set_path": shots, "count": 2, "seed": 7},
    }
    prompt["template"] = "{% if context is defined %}{{ context }}: {% endif %}{{ input }}"
    record, bodies = asked(records, prompt=prompt)

    assert record["status"] == "completed", record["error"]
    messages = bodies[0]["messages"]
    assert [message["role"] for message in messages] == ["system", *["user", "assistant"] * 3, "user"]
    assert (messages[0]["content"], messages[1]["content"], messages[2]["content"]) == ("Be brief.", "one", "1")
    assert messages[-1]["content"] == "of 0: in 0"
    drawn = [message["content"] for message in messages[3:7:2]]
    assert len(set(drawn)) == 2
    assert all(text.startswith("shot ") for text in drawn)
    assert {tuple(message["content"] for message in body["messages"][1:-1]) for body in bodies} == {
        tuple(message["content"] for message in messages[1:-1])
    }
    assert record["provenance"]["first_request"] == messages
    shown = record["provenance"]["prompt"]
    assert (shown["system"], shown["template"], shown["examples"]) == ("Be brief.", prompt["template"], 3)
    assert record["examples"][0]["input"] == "in 0"


def test_no_system_message_is_sent_where_it_is_null(asked):
    record, bodies = asked([{"input": text, "expected": "yes"} for text in "abcd"], prompt={"system": None})

    assert record["results"]["scoring"]["rule"] == "labels"
    assert {len(body["messages"]) for body in bodies} == {1}


def test_a_conversation_is_asked_as_it_is(asked):
    conversation = [
        {"role": "system", "content": "You are a bot."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": "Is it?"},
    ]
    _, bodies = asked([{"messages": conversation, "expected": "positive"}] * 2)

    assert [body["messages"] for body in bodies] == [conversation] * 4


def test_an_instruction_is_asked_with_its_input(asked):
    records = [{"instruction": "Is it good?", "input": text, "expected": "yes"} for text in ("it is", "")]
    _, bodies = asked(records)

    assert {body["messages"][-1]["content"] for body in bodies} == {"Is it good?\n\nit is", "Is it good?"}


def test_a_row_that_the_template_cannot_fill_is_in_error(asked):
    others = [{"input": f"in {number}", "expected": "yes", "context": "c"} for number in (1, 2)]
    records = [{"input": "in 0", "expected": "yes"}, *others]
    record, bodies = asked(records, prompt={"template": "{{ context }} {{ input }}"}, max_error_rate=0.5)

    assert record["status"] == "completed", record["error"]
    assert record["results"]["n"] == 2
    said = record["results"]["errors"]["fine_tuned"]["template"]
    assert said == {"count": 1, "message": "The prompt's template: 'context' is undefined"}
    assert len(bodies) == 4


def test_the_generation_is_as_it_is_told(asked):
    generation = {
        "max_tokens": 5,
        "temperature": None,
        "stop": ["\n"],
        "extra_body": {"top_k": 1},
        "fine_tuned": {"max_tokens": 9, "temperature": 0.5},
    }
    record, bodies = asked([{"input": "a", "expected": "b"}], generation=generation)

    sent = {body["model"]: {name: body[name] for name in body if name not in ("model", "messages")} for body in bodies}
    common = {"seed": 0, "stop": ["\n"], "top_k": 1}
    assert sent["base"] == {"max_tokens": 5, **common}
    assert sent["tuned"] == {"max_tokens": 9, "temperature": 0.5, **common}
    assert record["provenance"]["inference"]["fine_tuned"] == sent["tuned"]


@pytest.mark.parametrize(
    ("how", "field"),
    [
        ({"prompt": {"template": "{{ input"}}, "prompt.template"),
        ({"prompt": {"template": "{{ 'a' * 10**9 }}{{ missing }}"}}, "prompt.template"),
        ({"prompt": {"template": "{{ missing }}"}}, "prompt.template"),
        ({"prompt": {"template": "{% for a in b %}{% for c in d %}{% endfor %}{% endfor %}"}}, "prompt.template"),
        ({"prompt": {"template": "{{ input.__class__.mro() }}"}}, "prompt.template"),
        ({"prompt": {"other": 1}}, "prompt.other"),
        ({"prompt": {"system": "a\0"}}, "prompt.system"),
        ({"prompt": {"examples": [{"input": "a"}]}}, "prompt.examples.0.expected"),
        ({"prompt": {"examples_from": {"test_set_path": "datasets/never", "count": 1}}}, "test_set_path"),
        ({"generation": {"max_tokens": 0}}, "generation.max_tokens"),
        ({"generation": {"temperature": "0.5"}}, "generation.temperature"),
        ({"generation": {"stop": []}}, "generation.stop"),
        ({"generation": {"extra_body": {"model": "x"}}}, "generation.extra_body"),
        ({"generation": {"fine_tuned": {"base_model": {}}}}, "generation.fine_tuned.base_model"),
    ],
)
def test_it_rejects_what_cannot_be_asked(evaluations, ready_model, new_set, how, field):
    body = {"test_set_path": new_set([("a", "b")]), **how}
    answer = evaluations.post(f"{MODELS}/{ready_model()}/evaluate", json=body)

    assert answer.status_code == 422, answer.text
    assert list(answer.json()["errors"]) == [field]


def test_it_rejects_examples_from_the_set_that_is_asked(evaluations, ready_model, new_set):
    path = new_set([("a", "b")])
    body = {"test_set_path": path, "prompt": {"examples_from": {"test_set_path": path, "count": 1}}}
    answer = evaluations.post(f"{MODELS}/{ready_model()}/evaluate", json=body)

    assert list(answer.json()["errors"]) == ["prompt.examples_from.test_set_path"]
