"""POST and GET /api/v1/jobs/:id/metrics"""

import threading

import pytest
import requests

from tests.support.databases import on, one_database

AT = "2026-02-19T10:30:45Z"


@pytest.fixture
def report(logs):
    """Report metric points, each ``(step, values)``, and return the answer."""

    def report(job, *points, **fields):
        body = {"metrics": [{"step": step, "values": values, **fields} for step, values in points]}
        return logs.post(f"/api/v1/jobs/{job}/metrics", json=body)

    return report


@pytest.fixture
def curves(logs):
    """Return a job's metrics as they are shown, and the series of them by name."""

    def curves(job, query=""):
        answer = logs.get(f"/api/v1/jobs/{job}/metrics{query}")
        assert answer.status_code == 200, answer.text
        shown = answer.json()
        return shown, {series["name"]: series for series in shown["series"]}

    return curves


def steps(series):
    return [(step, value) for step, value, _, _ in series["points"]]


def test_it_works(job, report, curves):
    answer = report(job, (10, {"loss": 0.5, "lr": 1}), (20, {"loss": 0.25}), timestamp=AT, epoch=0.1)

    assert (answer.status_code, answer.json()) == (201, {"count": 5})
    shown, series = curves(job)
    assert (shown["job_id"], shown["source"], shown["complete"]) == (job, "reported", True)
    assert list(series) == ["epoch", "loss", "lr"]
    assert series["loss"] == {
        "name": "loss",
        "count": 2,
        "first_step": 10,
        "last_step": 20,
        "min": 0.25,
        "max": 0.5,
        "last": 0.25,
        "points": [[10, 0.5, "2026-02-19T10:30:45Z", None], [20, 0.25, "2026-02-19T10:30:45Z", None]],
    }


def test_a_repeat_replaces_and_adds_nothing(job, report, curves):
    for value in (1, 2, 3):
        assert report(job, (1, {"loss": value}), (1, {"loss": value + 0.5})).status_code == 201
    assert steps(curves(job)[1]["loss"]) == [(1, 3.5)]


def test_a_divergence_is_kept(job, report, curves):
    report(job, (1, {"loss": 1.5}), (2, {"loss": "NaN"}), (3, {"loss": "Infinity"}), (4, {"loss": "-Infinity"}))
    loss = curves(job)[1]["loss"]
    assert steps(loss) == [(1, 1.5), (2, "NaN"), (3, "Infinity"), (4, "-Infinity")]
    assert (loss["min"], loss["max"], loss["last"], loss["count"]) == (1.5, 1.5, "-Infinity", 4)


def test_names_after_step_and_max_points(job, report, curves):
    report(job, *((step, {"a": step, "b": -step, "ü": 0}) for step in range(1_000)))
    assert list(curves(job, "?name=b&name=a")[1]) == ["a", "b"]
    assert list(curves(job)[1]) == ["a", "b", "ü"]
    assert list(curves(job, "?name=none")[1]) == []
    late = curves(job, "?name=a&after_step=997")[1]["a"]
    assert (steps(late), late["count"], late["first_step"]) == ([(998, 998), (999, 999)], 2, 998)
    thinned = curves(job, "?name=a&max_points=10")[1]["a"]
    assert (len(thinned["points"]) <= 10, thinned["count"], thinned["max"]) == (True, 1_000, 999)


def test_without_reports_they_are_read_from_the_log(job, push, curves):
    push(job, "Starting", *(f"{{'loss': {1 / step}, 'epoch': {step / 10}}}" for step in range(1, 6)), "done")
    shown, series = curves(job)
    assert (shown["source"], shown["complete"], shown["read_to"]) == ("log", True, 7)
    assert [(step, line) for step, _, _, line in series["loss"]["points"]] == [(n, n + 1) for n in range(1, 6)]
    assert steps(series["epoch"]) == [(step, step / 10) for step in range(1, 6)]
    push(job, "{'loss': 0.1, 'epoch': 0.6}")
    assert steps(curves(job)[1]["loss"])[-1] == (6, 0.1)


def test_what_is_reported_hides_what_the_log_says(job, push, report, curves):
    push(job, "step 1: loss 5.0")
    assert curves(job)[0]["source"] == "log"
    report(job, (1, {"loss": 0.5}))
    shown, series = curves(job)
    assert (shown["source"], steps(series["loss"])) == ("reported", [(1, 0.5)])


@on("sqlite")
def test_a_long_log_is_read_in_pieces(job, push, curves):
    for first in range(1, 60_001, 10_000):
        push(job, *(f"step {step}: loss {step}.5" for step in range(first, first + 10_000)))
    shown, series = curves(job)
    assert (shown["complete"], shown["read_to"], series["loss"]["count"]) == (False, 50_000, 50_000)
    shown, series = curves(job)
    assert (shown["complete"], shown["read_to"], series["loss"]["count"]) == (True, 60_000, 60_000)
    assert (series["loss"]["min"], series["loss"]["max"]) == (1.5, 60_000.5)


@on("sqlite")
def test_lines_without_figures_are_read_faster(job, push, curves):
    for _ in range(6):
        push(job, *["tokenised 4,096 of 10,000 documents"] * 10_000)
    push(job, "loss: 0.5")
    shown, series = curves(job)
    assert (shown["complete"], shown["read_to"], steps(series["loss"])) == (True, 60_001, [(1, 0.5)])


def test_many_readers_at_once_read_each_line_once(logs, job, push, curves):
    """On both workers: lines without a step are counted, and each is counted once."""
    for _ in range(3):
        push(job, *("loss: 0.5" for _ in range(3_000)))
    url = f"{logs.url}/api/v1/jobs/{job}/metrics"
    readers = [threading.Thread(target=requests.get, args=(url,), kwargs={"timeout": 60}) for _ in range(8)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    loss = curves(job)[1]["loss"]
    assert (loss["count"], loss["first_step"], loss["last_step"]) == (9_000, 1, 9_000)


def test_they_go_with_the_log(logs, job, push, report):
    push(job, "loss: 1")
    report(job, (1, {"loss": 1}))
    assert logs.delete(f"/api/v1/jobs/{job}/logs").status_code == 200
    assert logs.get(f"/api/v1/jobs/{job}/metrics").status_code == 410
    assert report(job, (1, {"loss": 1})).status_code == 410


def test_a_job_without_any_has_none(job, curves):
    shown, series = curves(job)
    assert (shown["source"], shown["complete"], shown["read_to"], series) == (None, True, 0, {})


@one_database
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "metrics"),
        ({"metrics": []}, "metrics"),
        ({"metrics": [{"values": {"a": 1}}]}, "metrics.0.step"),
        ({"metrics": [{"step": -1, "values": {"a": 1}}]}, "metrics.0.step"),
        ({"metrics": [{"step": 1.5, "values": {"a": 1}}]}, "metrics.0.step"),
        ({"metrics": [{"step": 1}]}, "metrics.0.values"),
        ({"metrics": [{"step": 1, "values": {}}]}, "metrics.0.values"),
        ({"metrics": [{"step": 1, "values": {"a": "1"}}]}, "metrics.0.values.a.value"),
        ({"metrics": [{"step": 1, "values": {"a": True}}]}, "metrics.0.values.a.value"),
        ({"metrics": [{"step": 1, "values": {"a": None}}]}, "metrics.0.values.a.value"),
        ({"metrics": [{"step": 1, "values": {"": 1}}]}, "metrics.0.values..key"),
        ({"metrics": [{"step": 1, "values": {"a" * 256: 1}}]}, f"metrics.0.values.{'a' * 256}.key"),
        ({"metrics": [{"step": 1, "values": {"a": 1}, "timestamp": "now"}]}, "metrics.0.timestamp"),
        ({"metrics": [{"step": 1, "values": {"a": 1}, "x": 1}]}, "metrics.0.x"),
        ({"metrics": [{"step": 1, "values": {str(n): 1 for n in range(10_001)}}]}, "metrics.0.values"),
        ({"metrics": [{"step": 1, "values": {str(n): 1 for n in range(5_001)}}] * 2}, "metrics"),
    ],
)
def test_it_rejects_a_bad_report_and_stores_none_of_it(logs, job, curves, body, field):
    answer = logs.post(f"/api/v1/jobs/{job}/metrics", json=body)
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])
    assert curves(job)[1] == {}


@one_database
@pytest.mark.parametrize("query", ["max_points=1", "max_points=10001", "after_step=x", "name="])
def test_it_rejects_a_bad_query(logs, job, query):
    assert logs.get(f"/api/v1/jobs/{job}/metrics?{query}").status_code == 422


def test_it_rejects_an_unknown_job(logs, report):
    assert report(10**9, (1, {"a": 1})).status_code == 404
    assert logs.get(f"/api/v1/jobs/{10**9}/metrics").status_code == 404
