"""Results reach the model, the newest ones last, and nothing is sent for ever."""

import contextlib
import time

from run.settings import free_port
from tests.support.databases import only_on
from tests.support.fake_api import FakeApi

MODELS = "/api/v1/models"


@only_on("postgresql")
def test_results_reach_the_model_later(start_worker, test_set, ready_model, evaluate, ended, until, models):
    model = ready_model()
    evaluation = evaluate(test_set, model)
    alone = start_worker(MODELS_URL=f"http://127.0.0.1:{free_port()}")
    results = ended(evaluation)["results"]
    until(evaluation, lambda _: "the model has not its results yet" in alone.log)
    alone.kill()

    def eval_results():
        return models.get(f"{MODELS}/{model}").json()["model"]["eval_results"]

    assert eval_results() is None
    start_worker()
    until(evaluation, lambda _: eval_results() == results["fine_tuned"])


@only_on("postgresql")
def test_the_model_has_the_results_of_the_newest(start_worker, test_set, ready_model, evaluate, put, until, models):
    model = ready_model()
    worker = start_worker(INFERENCE_URL=f"http://127.0.0.1:{free_port()}/v1")
    older, newer = evaluate(test_set, model), evaluate(test_set, model)
    for evaluation, accuracy in ((newer, 0.9), (older, 0.1)):
        figures = {"base_model": {}, "fine_tuned": {"accuracy": accuracy}}
        assert put(evaluation, status="completed", results=figures).status_code == 200

    def eval_results():
        return models.get(f"{MODELS}/{model}").json()["model"]["eval_results"]

    until(newer, lambda _: eval_results() == {"accuracy": 0.9})
    time.sleep(1.5)  # the worker looks every second for what is due
    assert eval_results() == {"accuracy": 0.9}
    assert worker.process.poll() is None


@only_on("postgresql")
def test_what_the_model_never_takes_is_sent_once(start_worker, test_set, evaluate, put, until):
    evaluation = evaluate(test_set)
    figures = {"base_model": {}, "fine_tuned": {"note": "x" * 6 * 2**20}}
    assert put(evaluation, status="completed", results=figures).status_code == 200
    worker = start_worker()
    until(evaluation, lambda _: "will never have its results" in worker.log)
    time.sleep(1.5)  # the worker looks every second for what is due

    assert worker.log.count(f"evaluation {evaluation}: the model") == 1


@only_on("postgresql")
def test_an_answer_that_nobody_foresaw_holds_up_no_results(start_worker, test_set, ready_model, evaluate, put, until):
    """Python's decoder gives up on lists in lists by an error of its own, which is no ValueError."""
    model = ready_model()
    evaluation = evaluate(test_set, model)
    assert put(evaluation, status="completed", results={"base_model": {}, "fine_tuned": {}}).status_code == 200
    with contextlib.closing(FakeApi()) as other_models:
        other_models.answers[f"{MODELS}/{model}"] = b"[" * 200_000
        worker = start_worker(MODELS_URL=other_models.url)
        until(evaluation, lambda _: "the model has not its results yet" in worker.log)
        other_models.answers[f"{MODELS}/{model}"] = {}
        sent = len(other_models.asked)
        until(evaluation, lambda _: len(other_models.asked) > sent)
