"""The evaluation worker in front of an inference server that drips, lies about its model, or asks for patience."""

import time
import uuid
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tests.support.databases import only_on

pytestmark = [pytest.mark.faults, only_on("postgresql")]

LOADING_S = 3


@pytest.fixture
def texts():
    own = uuid.uuid4().hex[:8]
    return [f"{own} {number}" for number in range(20)]


@pytest.fixture
def begin(new_set, evaluate, texts):
    return lambda **fields: evaluate(new_set([(text, "positive") for text in texts]), **fields)


def drip(head):
    """Send a byte every tenth of a second for minutes, in the header or the body: no single read ever waits long."""

    def drip(answer):
        if not head:
            answer.send(200, b"", Content_Length=10_000)
        for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 3_000:
            answer.wfile.write(bytes([byte]))
            answer.wfile.flush()
            time.sleep(0.1)  # dripping is what is tested
        answer.die()

    return drip


@pytest.mark.parametrize("head", [True, False])
def test_a_server_that_drips_is_timed_out(start_worker, inference, begin, texts, ended, head):
    inference.faults = {("tuned", texts[0]): [drip(head)]}
    evaluation = begin()
    start_worker(INFERENCE_TIMEOUT_S="1")
    results = ended(evaluation, within_s=100)["results"]

    assert results["n"] == 20
    assert inference.asked["tuned", texts[0]] == 2
    assert results["fine_tuned"]["p95_response_time_ms"] < 1000


def test_another_models_answer_is_none(start_worker, inference, begin, texts, ended):
    def confuse(answer):
        answer.send(200, {"model": "base", "choices": [{"message": {"content": "positive"}}]})

    inference.says_its_name = True
    inference.faults = {("tuned", texts[3]): [confuse]}
    evaluation = begin()
    start_worker()
    record = ended(evaluation)

    assert record["status"] == "completed"
    assert record["results"]["errors"]["fine_tuned"]["other_model"]["count"] == 1
    assert record["results"]["errors"]["base_model"] == {}
    assert record["examples"][3]["error"] == "other_model"


def test_one_model_behind_both_names_fails_it(start_worker, inference, begin, ended):
    def whatever(answer):
        answer.send(200, {"model": "the only one", "choices": [{"message": {"content": "positive"}}]})

    inference.faults = {(model, "Hello"): [whatever] for model in ("base", "tuned")}
    evaluation = begin()
    start_worker()

    said = "The inference server answers as 'the only one' to both models; allow_same_model allows it."
    assert ended(evaluation)["error"] == said
    assert not inference.asked


@pytest.mark.parametrize("as_date", [False, True])
def test_it_waits_as_long_as_it_is_told(start_worker, inference, begin, texts, ended, as_date):
    tried = []

    def later(answer):
        tried.append(time.monotonic())
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=4), usegmt=True)
        answer.send(429, {}, Retry_After=date if as_date else 3)

    def now(answer):
        tried.append(time.monotonic())
        answer.answer("positive")

    inference.faults = {("base", texts[0]): [later, now]}
    evaluation = begin()
    start_worker()

    assert ended(evaluation)["status"] == "completed"
    assert tried[1] - tried[0] > 2.9


def test_a_server_that_dies_in_the_middle_fails_what_it_did_not_answer(start_worker, inference, begin, ended):
    inference.dies_after = 10
    evaluation = begin()
    start_worker(INFERENCE_CONCURRENCY="8")
    record = ended(evaluation)

    assert record["status"] == "failed"
    assert "rows ended in an error" in record["error"]
    assert "connection" in record["error"]
    assert 0 < sum(example["error"] is None for example in record["examples"]) < 20


def test_blocks_ask_one_model_after_the_other(start_worker, inference, begin, texts, ended):
    evaluation = begin()
    start_worker(INFERENCE_ORDER="blocks")
    record = ended(evaluation)

    asked = [(body["model"], body["messages"][-1]["content"]) for body in inference.bodies]
    hello_first = [("tuned", "Hello"), ("base", "Hello")]
    assert asked[:2] == hello_first
    assert {model for model, _ in asked[2:22]} == {"base"}
    assert asked[22] == ("tuned", "Hello")
    assert {model for model, _ in asked[23:]} == {"tuned"}
    assert record["results"]["n"] == 20
    assert record["provenance"]["inference"]["order"] == "blocks"
    assert record["provenance"]["inference"]["warm_up"] is True


def test_the_models_take_turns_at_being_first(start_worker, inference, begin, ended):
    evaluation = begin()
    start_worker(INFERENCE_CONCURRENCY="1")
    ended(evaluation)

    models = [body["model"] for body in inference.bodies if body["messages"][-1]["content"] != "Hello"]
    assert models == ["base", "tuned", "tuned", "base"] * 10


def test_loading_is_no_answer_time(start_worker, inference, begin, ended):
    def load(answer):
        time.sleep(LOADING_S)  # a model being loaded
        answer.answer("Hello!")

    inference.faults = {(model, "Hello"): [load] for model in ("base", "tuned")}
    evaluation = begin()
    start_worker()
    results = ended(evaluation)["results"]

    assert results["base_model"]["p95_response_time_ms"] < LOADING_S * 1000
    assert results["fine_tuned"]["p95_response_time_ms"] < LOADING_S * 1000
