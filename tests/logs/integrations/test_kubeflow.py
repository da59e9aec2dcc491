"""POST /api/v1/jobs/:id/trainer-status, with bodies as transformers' KubeflowCallback sends them"""

import math

import pytest

from tests.support.databases import one_database

AT = "2026-02-19T11:30:45.123456+01:00"


@pytest.fixture
def post(logs):
    """Post a status and return the answer; metrics by name, values as they are."""

    def post(job, percentage=None, /, **metrics):
        status = {"lastUpdatedTime": AT, "estimatedRemainingSeconds": 7}
        if percentage is not None:
            status["progressPercentage"] = percentage
        if metrics:
            status["metrics"] = [{"name": name, "value": value} for name, value in metrics.items()]
        headers = {"Authorization": "Bearer any token"}
        return logs.post(f"/api/v1/jobs/{job}/trainer-status", json={"trainerStatus": status}, headers=headers)

    return post


@pytest.fixture
def curves(logs):
    def curves(job):
        shown = logs.get(f"/api/v1/jobs/{job}/metrics").json()
        return shown["source"], {
            series["name"]: [(step, value) for step, value, _, _ in series["points"]] for series in shown["series"]
        }

    return curves


@pytest.fixture
def show(logs):
    def show(job):
        return logs.get(f"/api/v1/jobs/{job}").json()

    return show


def test_it_works(logs, job, post, curves, show):
    first = post(job, 0, total_steps="20")
    middle = post(job, 42, loss="0.5", epoch="0.49", current_step="10", total_steps="20", current_epoch="0.5")
    last = post(job, 100, loss="0.25", epoch="1.0")

    assert [(answer.status_code, answer.json()) for answer in (first, middle, last)] == [
        (200, {"count": 0}),
        (200, {"count": 2}),
        (200, {"count": 0}),
    ]
    assert curves(job) == ("status", {"epoch": [(10, 0.5)], "loss": [(10, 0.5)]})
    points = logs.get(f"/api/v1/jobs/{job}/metrics?name=loss").json()["series"][0]["points"]
    assert points == [[10, 0.5, "2026-02-19T10:30:45.123456Z", None]]
    shown = show(job)
    assert (shown["progress"], shown["status"]) == (1.0, "pending")  # the last 100 is no proof of success


def test_it_hides_neither_the_log_nor_what_is_reported(logs, job, post, push, curves):
    post(job, 10, loss="9", current_step="1")
    assert curves(job)[0] == "status"
    push(job, "step 1: loss 5.0")
    assert curves(job) == ("log", {"loss": [(1, 5.0)]})
    logs.post(f"/api/v1/jobs/{job}/metrics", json={"metrics": [{"step": 1, "values": {"loss": 4}}]})
    post(job, 20, loss="8", current_step="2")
    assert curves(job) == ("reported", {"loss": [(1, 4.0)]})


def test_it_is_a_sign_of_life(job, post, show):
    assert show(job)["last_seen_at"] is None
    assert post(job).status_code == 200
    assert show(job)["last_seen_at"] is not None
    assert show(job)["progress"] is None


def test_a_divergence_is_kept(job, post, curves):
    post(job, 1, loss="nan", grad_norm="inf", low="-inf", lr="1e-05", current_step="3")
    assert curves(job)[1] == {
        "grad_norm": [(3, "Infinity")],
        "loss": [(3, "NaN")],
        "low": [(3, "-Infinity")],
        "lr": [(3, 1e-05)],
    }


def test_what_is_no_number_is_no_point(job, post, curves):
    texts = {"flag": "True", "none": "None", "text": "fast", "empty": "", "odd": "1_0", "arabic": "٣", "hex": "0x1"}
    assert post(job, 1, **texts, loss="1.5", current_step="3").json() == {"count": 1}
    assert curves(job)[1] == {"loss": [(3, 1.5)]}


@pytest.mark.parametrize("step", ["-1", "1.5", "nan", "inf", "1" + "0" * 30, "no"])
def test_a_step_that_is_none_makes_no_point(job, post, curves, show, step):
    answer = post(job, 50, loss="1", current_step=step)
    assert (answer.status_code, answer.json()) == (200, {"count": 0})
    assert curves(job)[1] == {}
    assert math.isclose(show(job)["progress"], 0.5)


def test_a_job_that_has_ended_keeps_its_record(job, post, put, show):
    put(job, status="running", kernel="k")
    post(job, 30)
    put(job, status="completed")
    ended = show(job)
    assert post(job, 100, loss="1", current_step="9").status_code == 200
    assert show(job) == ended
    assert ended["progress"] == 0.3


def test_it_goes_with_the_log(logs, job, post):
    post(job, 1, loss="1", current_step="1")
    assert logs.delete(f"/api/v1/jobs/{job}/logs").status_code == 200
    assert post(job, 2, loss="1", current_step="2").status_code == 410


def test_fields_that_the_protocol_may_add_are_passed_over(logs, job):
    body = {"trainerStatus": {"metrics": None, "phase": "x", "progressPercentage": None}, "kind": "y"}
    assert logs.post(f"/api/v1/jobs/{job}/trainer-status", json=body).status_code == 200


@one_database
@pytest.mark.parametrize(
    ("status", "field"),
    [
        (None, "trainerStatus"),
        ([], "trainerStatus"),
        ({"progressPercentage": 101}, "trainerStatus.progressPercentage"),
        ({"progressPercentage": "10"}, "trainerStatus.progressPercentage"),
        ({"progressPercentage": -1}, "trainerStatus.progressPercentage"),
        ({"lastUpdatedTime": "now"}, "trainerStatus.lastUpdatedTime"),
        ({"metrics": [{"name": "a"}]}, "trainerStatus.metrics.0.value"),
        ({"metrics": [{"name": "a", "value": 1}]}, "trainerStatus.metrics.0.value"),
        ({"metrics": [{"name": "", "value": "1"}]}, "trainerStatus.metrics.0.name"),
        ({"metrics": [{"name": "a\0", "value": "1"}]}, "trainerStatus.metrics.0.name"),
        ({"metrics": [{"name": "a", "value": "1"}] * 10_001}, "trainerStatus.metrics"),
    ],
)
def test_it_rejects_a_bad_status(logs, job, status, field):
    answer = logs.post(f"/api/v1/jobs/{job}/trainer-status", json={"trainerStatus": status})
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])


def test_it_rejects_an_unknown_job(post):
    assert post(10**9, 1).status_code == 404
