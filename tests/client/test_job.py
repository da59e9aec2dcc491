"""`Job`: a training that reports by itself, against the real logs service."""

import pytest
from tunedeck_client import Job

from tests.support.waiting import wait_until


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch, tmp_path):
    for name in ("TUNEDECK_JOB", "TUNEDECK_URL", "TUNEDECK_LOGS_URL", "TUNEDECK_KERNEL", "TUNEDECK_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


@pytest.fixture
def show(logs):
    return lambda job: logs.get(f"/api/v1/jobs/{job}").json()


def test_it_works(logs, new_job, show):
    number = new_job()
    with Job(number, url=logs.url) as job:
        assert show(number)["status"] == "running"
        job.log_metrics({"loss": 0.5}, step=3)
        job.report_progress(0.5)
        assert job.cancelled is False
    assert show(number)["status"] == "completed"
    (curve,) = logs.get(f"/api/v1/jobs/{number}/metrics").json()["series"]
    assert (curve["name"], curve["last"]) == ("loss", 0.5)


def test_the_environment_names_it(logs, new_job, show, monkeypatch):
    number = new_job()
    monkeypatch.setenv("TUNEDECK_JOB", str(number))
    monkeypatch.setenv("TUNEDECK_URL", f"{logs.url}/api/v1/")
    monkeypatch.setenv("TUNEDECK_KERNEL", "run@here")
    with Job():
        assert show(number)["kernel"] == "run@here"
    assert show(number)["status"] == "running", "its end is for `tunedeck run` to say"


def test_an_exception_fails_it(logs, new_job, show):
    number = new_job()
    with pytest.raises(ValueError, match="why"), Job(number, url=logs.url):
        raise ValueError("why")
    assert (show(number)["status"], show(number)["error"]) == ("failed", "ValueError: why")


def test_it_notices_that_it_was_cancelled(logs, new_job, show):
    number = new_job()
    with Job(number, url=logs.url, beat_every_s=0.05) as job:
        logs.put(f"/api/v1/jobs/{number}", json={"status": "cancelled"})
        wait_until(lambda: job.cancelled)
    assert show(number)["status"] == "cancelled"


def test_progress_goes_with_the_heartbeat(logs, new_job, show):
    number = new_job()
    with Job(number, url=logs.url, beat_every_s=0.05) as job:
        for said, shown in ((0.25, 0.25), (7, 1.0), (-1, 0.0)):
            job.report_progress(said)
            wait_until(lambda shown=shown: show(number)["progress"] == shown)
        job.report_progress(float("nan"))
    assert show(number)["progress"] == 0.0


@pytest.mark.parametrize("text", [None, "", "x", "-1", "٣", "0"])
def test_it_rejects_what_names_no_job(logs, monkeypatch, text):
    if text is not None:
        monkeypatch.setenv("TUNEDECK_JOB", text)
    with pytest.raises(ValueError, match="job_id"):
        Job(url=logs.url)
    with pytest.raises(ValueError, match="address must be"):
        Job(1)


@pytest.mark.faults
def test_a_service_that_is_away_raises_nothing(free_port, logs, new_job, tmp_path, capsys):
    with Job(7, url=f"http://127.0.0.1:{free_port}") as job:
        job.log_metrics({"loss": 1}, step=1)
    assert "could not be ended" in capsys.readouterr().err
