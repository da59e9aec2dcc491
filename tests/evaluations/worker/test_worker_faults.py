"""The evaluation worker while workers are killed every second, or PostgreSQL restarts."""

import time

import pytest

from services.evaluations.tables import Example, database
from shared.database.connect import connection, open_database
from tests.support.databases import only_on

pytestmark = pytest.mark.faults

EVALUATIONS = "/api/v1/evaluations"
MODELS = "/api/v1/models"
ROLES = {"base_model": "base", "fine_tuned": "tuned"}
IN_FLIGHT = 4


@pytest.fixture
def stored(evaluations):
    """Return (model, input) of every answer that an evaluation's tables have."""
    opened = open_database(evaluations.running.part.environ["DATABASE_URL"])
    database.initialize(opened)

    def stored(evaluation):
        found = set()
        with connection(database):
            for example in Example.select().where(Example.evaluation_id == evaluation):
                found |= {(model, example.input) for role, model in ROLES.items() if _has(example, role)}
        return found

    yield stored
    opened.close_all()


def _has(example, role):
    return getattr(example, f"{role}_output") is not None


@pytest.mark.soak
def test_a_kill_every_second_costs_what_is_not_stored(start_worker, inference, new_set, rows, evaluate, until, stored):
    """Of two workers the one at work is killed once it has worked for a second; the other takes over."""
    rows = rows(500)
    inference.takes_s = 0.02
    evaluation = evaluate(new_set(rows))
    workers = [start_worker(), start_worker()]
    settled, kills = {}, 0

    def is_at_work(worker):
        return f"evaluation {evaluation}: claimed" in worker.log

    def is_over_or_at_work(found):
        return found["status"] == "completed" or any(map(is_at_work, workers))

    while (record := until(evaluation, is_over_or_at_work, within_s=60))["status"] != "completed":
        time.sleep(1)  # a kill every second
        (victim,) = filter(is_at_work, workers)
        victim.kill()
        kills += 1
        settled |= {key: inference.asked[key] for key in stored(evaluation) - set(settled)}
        workers = [worker for worker in workers if worker is not victim] + [start_worker()]

    assert kills >= 3
    assert record["results"]["n"] == 500
    assert stored(evaluation) == {(model, text) for model in ROLES.values() for text, _ in rows}
    # What was stored at a kill was never asked again.
    assert {key: inference.asked[key] for key in settled} == settled
    assert inference.asked.total() - 1000 <= kills * 2 * IN_FLIGHT
    with connection(database):
        numbers = [example.row for example in Example.select().where(Example.evaluation_id == evaluation)]
    assert sorted(numbers) == list(range(500))


@only_on("postgresql")
def test_postgresql_restarts(evaluations, serve, own_postgres, start_worker, inference, new_set, rows, ready_model):
    rows = rows(100)
    inference.takes_s = 0.02
    database_url = {"DATABASE_URL": str(own_postgres.get_uri())}
    alone = serve("evaluations", **evaluations.running.part.environ | database_url)
    body = {"test_set_path": new_set(rows)}
    evaluation = alone.post(f"{MODELS}/{ready_model()}/evaluate", json=body).json()["evaluation_id"]
    worker = start_worker(**database_url)

    def until(condition):
        deadline = time.monotonic() + 30
        while not condition(found := alone.get(f"{EVALUATIONS}/{evaluation}").json()):
            assert time.monotonic() < deadline, (found, worker.log)
            time.sleep(0.05)
        return found

    until(lambda found: (found.get("progress") or {}).get("done", 0) >= 30)
    own_postgres.stop()
    time.sleep(0.5)  # away for a while
    own_postgres.start()
    record = until(lambda found: found.get("status") in ("completed", "failed"))
    alone.running.kill()

    assert (record["status"], record["results"]["n"]) == ("completed", 100)
    assert len(record["examples"]) == 100
    assert inference.asked.total() - 200 <= 2 * IN_FLIGHT  # those in flight, and those that could not be stored
    assert "Traceback" not in worker.log
