"""Claims: workers share the work, take over from one another, and what a late one has is dropped."""

import signal

import psycopg

from tests.support.databases import only_on
from tests.support.evaluations import requests_for, rows_done
from tests.support.waiting import wait_until

RESULTS = {"base_model": {"accuracy": 0.5}, "fine_tuned": {"accuracy": 0.6}}


def _lapse(evaluations, evaluation):
    """End a lease before its ten seconds are over: one test that waits for them is enough."""
    with psycopg.connect(evaluations.running.part.environ["DATABASE_URL"]) as connection:
        connection.execute("UPDATE evaluation SET leased_until = 0 WHERE id = %s", (evaluation,))


@only_on("postgresql")
def test_another_worker_finishes_what_a_killed_one_began(
    start_worker, inference, new_set, rows, evaluate, ended, until, examples
):
    rows = rows(40)
    inference.held = requests_for(rows[20:])
    evaluation = evaluate(new_set(rows))
    killed = start_worker()
    until(evaluation, rows_done(20))
    until(evaluation, lambda _: sum(inference.asked.values()) == 44)
    killed.kill()
    start_worker(INFERENCE_CONCURRENCY="5")
    inference.go_on.set()
    record = ended(evaluation, within_s=60)

    assert (record["status"], record["results"]["n"]) == ("completed", 40)
    assert record["provenance"]["mixed"] is True
    assert {inference.asked[key] for key in requests_for(rows[:20])} == {1}
    assert sum(inference.asked.values()) == 84
    assert [example["input"] for example in examples(evaluation)] == [text for text, _ in rows]


def test_two_workers_share_the_work(start_worker, inference, new_set, rows, evaluate, ended):
    rows = rows(60)
    inference.answers = {key: "negative" for key in requests_for(rows[::2]) if key[0] == "base"}
    sets = [new_set(rows[start : start + 10]) for start in range(0, 60, 10)]
    evaluations = [evaluate(path) for path in sets]
    workers = [start_worker(), start_worker()]
    records = [ended(evaluation) for evaluation in evaluations]

    assert {record["status"] for record in records} == {"completed"}
    assert {record["results"]["base_model"]["accuracy"] for record in records} == {0.5}
    assert inference.asked == dict.fromkeys(requests_for(rows), 1)
    assert sum(worker.log.count(": claimed") for worker in workers) == 6


@only_on("postgresql")
def test_a_late_worker_drops_its_result(
    evaluations, start_worker, inference, new_set, rows, evaluate, ended, until, examples
):
    def late(answer):
        inference.go_on.wait(60)
        answer.answer("late")

    rows = rows(10)
    inference.faults = {key: [late] for key in requests_for(rows)}
    evaluation = evaluate(new_set(rows))
    slow = start_worker()
    until(evaluation, lambda _: sum(inference.asked.values()) == 4)
    slow.signal(signal.SIGSTOP)
    _lapse(evaluations, evaluation)
    inference.faults = {}
    start_worker()
    before = ended(evaluation)
    inference.go_on.set()
    slow.signal(signal.SIGCONT)
    next_one = evaluate(new_set(rows))

    assert ended(next_one)["status"] == "completed"
    wait_until(lambda: f"evaluation {evaluation}: another worker has it" in slow.log)
    assert before["status"] == "completed"
    assert ended(evaluation) == before
    assert {example["fine_tuned_output"] for example in examples(evaluation)} == {"positive"}


def test_a_report_from_outside_voids_the_lease(
    start_worker, inference, new_set, rows, evaluate, ended, until, put, show
):
    rows = rows(10)
    inference.held = requests_for(rows[5:])
    evaluation = evaluate(new_set(rows))
    worker = start_worker()
    until(evaluation, rows_done(5))
    example = {"input": "own", "expected": "a", "base_model_output": "a", "fine_tuned_output": "a"}
    reported = put(evaluation, status="completed", results=RESULTS, examples=[example])
    assert reported.status_code == 200
    inference.go_on.set()
    until(evaluation, lambda _: f"evaluation {evaluation}: another worker has it" in worker.log)

    record = show(evaluation)
    assert (record["results"], record["examples"]) == (reported.json()["results"], reported.json()["examples"])
    assert ended(evaluate(new_set(rows)))["status"] == "completed"
