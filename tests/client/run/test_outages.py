"""The service away, hung, or not itself; the disk full: the training runs on, and nothing of it is lost."""

import json
import re
import signal
import time

import pytest

from tests.support.pipe import Pipe
from tests.support.waiting import wait_until

pytestmark = pytest.mark.faults


@pytest.fixture
def gateway(logs):
    """An address of the logs service that can go away."""
    return Pipe(logs.url.removeprefix("http://"))


@pytest.fixture
def start_away(start_run, gateway):
    """Start a run whose service is away, and wait until the program has printed `ready`."""

    def start_away(*options, program, **settings):
        gateway.cut()
        url = f"http://127.0.0.1:{gateway.port}"
        run = start_run(*options, program=program, url=url, **settings)
        assert run.process.stdout.readline() == b"ready\n"
        return run

    return start_away


WAITS = "print('ready')\nprint(input())"


def test_an_outage_at_the_start_creates_the_job_later(start_away, gateway, newest_job, lines_of, show):
    run = start_away("--name", "begun in an outage", program=WAITS)
    assert newest_job("begun in an outage") == {}
    gateway.mend()
    wait_until(lambda: newest_job("begun in an outage"))
    code, out, err = run.end(b"end\n")
    assert (code, out) == (0, b"end\n")
    assert b"is away" in err
    job = newest_job("begun in an outage")["ID"]
    assert show(job)["status"] == "completed"
    assert [message for _, message in lines_of(job)] == ["ready", "end"]


def test_an_outage_in_the_middle(start_run, gateway, new_job, lines_of, show):
    job = new_job()
    program = "print('ready')\nfor word in iter(input, 'end'): print(word)"
    run = start_run("--job", str(job), program=program, url=f"http://127.0.0.1:{gateway.port}")
    assert run.process.stdout.readline() == b"ready\n"
    gateway.cut()
    run.process.stdin.write(b"in the outage\n")
    run.process.stdin.flush()
    assert run.process.stdout.readline() == b"in the outage\n"
    gateway.mend()
    assert run.end(b"after it\nend\n")[:2] == (0, b"after it\n")
    assert show(job)["status"] == "completed"
    assert [message for _, message in lines_of(job)] == ["ready", "in the outage", "after it"]


@pytest.mark.soak
def test_an_outage_of_a_minute_loses_nothing(start_run, gateway, new_job, lines_of, show):
    job = new_job()
    program = "import sys, time\nfor step in range(700): print(step, flush=True); time.sleep(0.1)"
    run = start_run("--job", str(job), program=program, url=f"http://127.0.0.1:{gateway.port}")
    assert run.process.stdout.readline() == b"0\n"
    gateway.cut()
    time.sleep(60)  # the outage
    gateway.mend()
    assert run.end()[0] == 0
    assert (show(job)["status"], show(job)["error"]) == ("completed", None)
    assert [message for _, message in lines_of(job)] == [str(step) for step in range(700)]


def test_a_run_within_an_outage_is_reported_by_the_next_one(
    start_away, start_run, gateway, newest_job, lines_of, tmp_path
):
    run = start_away("--name", "unseen", program="print('ready')\nraise SystemExit(4)", END_TIMEOUT_S="0")
    code, _, err = run.end()
    assert code == 4
    assert b"not reported yet" in err
    gateway.mend()
    url = f"http://127.0.0.1:{gateway.port}"
    assert start_run("--name", "seen", command=["true"], url=url).end()[0] == 0
    record = newest_job("unseen")
    assert (record["status"], record["error"]) == ("failed", "exit code 4")
    assert [message for _, message in lines_of(record["ID"])] == ["ready", "tunedeck run: exit code 4"]
    assert [path for path in (tmp_path / "state").rglob("*") if path.is_file()] == []


def test_the_command_that_is_named_reports_it(start_away, start_run, gateway, newest_job, environ):
    run = start_away("--name", "left", program="print('ready')", END_TIMEOUT_S="0")
    _, _, err = run.end()
    assert re.search(rb"1 line not sent yet.*tunedeck run --report", err)
    url = f"http://127.0.0.1:{gateway.port}"
    code, _, err = start_run("--report", url=url, END_TIMEOUT_S="0").end()
    assert (code, b"cannot be reported yet" in err) == (1, True)
    gateway.mend()
    assert start_run("--report", url=url).end() == (0, b"", b"")
    assert newest_job("left")["status"] == "completed"
    assert start_run("--report", "--json", url=url).end() == (0, b'{"reported": true}\n', b"")


def test_the_end_of_a_known_job_is_reported_by_its_next_run(start_run, gateway, new_job, show):
    job, url = new_job(), f"http://127.0.0.1:{gateway.port}"
    run = start_run("--job", str(job), program=WAITS, url=url, END_TIMEOUT_S="0")
    assert run.process.stdout.readline() == b"ready\n"
    gateway.cut()
    assert run.end(b"end\n")[0] == 0
    gateway.mend()
    code, out, _ = start_run("--job", str(job), program="print('ran')", url=url).end()
    assert (code, out) == (2, b""), "it is completed, and not to be run again"
    assert show(job)["status"] == "completed"


def test_a_service_that_hangs_stops_nothing(start_run, new_job, gateway, show):
    job = new_job()
    run = start_run("--job", str(job), program=WAITS, url=f"http://127.0.0.1:{gateway.port}")
    assert run.process.stdout.readline() == b"ready\n"
    gateway.hang()
    run.process.stdin.write(b"on\n")
    run.process.stdin.flush()
    assert run.process.stdout.readline() == b"on\n"
    gateway.mend()
    assert run.end()[0] == 0
    assert show(job)["status"] == "completed"


def test_a_service_that_hangs_at_the_start_delays_it_by_seconds(start_run, gateway, newest_job):
    gateway.hang()
    run = start_run("--name", "hung", program=WAITS, url=f"http://127.0.0.1:{gateway.port}")
    assert run.process.stdout.readline() == b"ready\n"
    gateway.mend()
    assert run.end(b"end\n")[0] == 0
    assert newest_job("hung")["status"] == "completed"


def test_a_proxys_page_is_an_outage(start_run, service):
    service.always = b"502 <html>Bad Gateway</html>"
    run = start_run("--name", "x", program="print('ran')", url=service.url, END_TIMEOUT_S="0")
    code, out, err = run.end()
    assert (code, out) == (0, b"ran\n")
    assert b"is away" in err


def test_a_state_folder_that_cannot_be_written(start_run, new_job, show, lines_of, tmp_path):
    (tmp_path / "file").write_text("")
    job = new_job()
    run = start_run("--job", str(job), "--spool-dir", str(tmp_path / "file" / "below"), program="print('ran')")
    code, out, err = run.end()
    assert (code, out) == (0, b"ran\n")
    assert b"no state folder can be written" in err
    assert show(job)["status"] == "completed"
    assert lines_of(job) == [("info", "ran")]


def test_a_full_disk_stops_nothing(start_run, new_job, show, logs):
    """Every file ends at 8 KiB: what does not fit waits in memory."""
    job = new_job()
    limit = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192));"
    limit += "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
    program = "for n in range(5000): print(n, 'x' * 20)"
    run = start_run("--job", str(job), program=program, PREFACE=limit)
    code, out, _ = run.end()
    assert (code, len(out.splitlines())) == (0, 5_000)
    assert show(job)["status"] == "completed"
    page = logs.get(f"/api/v1/jobs/{job}/logs?limit=1000&after=4000").json()["logs"]
    assert page[-1]["message"].startswith("4999 ")


def test_sigterm_in_an_outage_does_not_wait(start_away):
    program = "import signal, sys, time\nsignal.signal(15, lambda *_: sys.exit(0))\nprint('ready')\ntime.sleep(60)"
    run = start_away("--name", "x", program=program, END_TIMEOUT_S="600")
    run.signal(signal.SIGTERM)
    code, _, err = run.end()
    assert code == 143
    assert b"not reported yet" in err


def test_a_signal_ends_the_waiting(start_away, tmp_path):
    run = start_away("--name", "x", program="print('ready')", END_TIMEOUT_S="600")
    (record,) = (tmp_path / "state").glob("tunedeck/*/runs/*/run.json")
    wait_until(lambda: json.loads(record.read_text())["end"])
    run.signal(signal.SIGINT)
    code, _, err = run.end()
    assert code == 0
    assert b"not reported yet" in err


def test_two_runs_at_once_report_each_left_run_once(start_away, start_run, gateway, logs):
    for number in range(3):
        run = start_away("--name", f"left behind {number}", program="print('ready')", END_TIMEOUT_S="0")
        assert run.end()[0] == 0
    gateway.mend()
    url = f"http://127.0.0.1:{gateway.port}"
    runs = [start_run("--report", url=url) for _ in range(3)]
    assert {run.end()[0] for run in runs} == {0}
    jobs = logs.get("/api/v1/jobs?q=left behind&limit=100").json()["data"]
    assert sorted((job["name"], job["status"]) for job in jobs) == [
        (f"left behind {number}", "completed") for number in range(3)
    ]
