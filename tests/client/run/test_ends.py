"""How a run ends that does not end by itself: cancelled, told to end, killed."""

import os
import signal
import time

import pytest

from tests.support.processes import is_alive
from tests.support.waiting import wait_until

SAVES = """
import signal, sys, time
def save(*_):
    print("saved", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
print("ready", flush=True)
time.sleep(60)
"""

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture
def start_ready(start_run, new_job):
    """Start a program as a new job, and wait until it has printed `ready`."""

    def start_ready(program, **settings):
        job = new_job()
        run = start_run("--job", str(job), program=program, **settings)
        assert run.process.stdout.readline() == b"ready\n"
        return job, run

    return start_ready


def test_a_cancelled_job_ends_its_command(start_ready, logs, show, lines_of):
    job, run = start_ready(SAVES)
    logs.put(f"/api/v1/jobs/{job}", json={"status": "cancelled"})
    code, out, err = run.end()
    assert (code, out) == (143, b"saved\n")
    assert b"was cancelled" in err
    assert (show(job)["status"], show(job)["error"]) == ("cancelled", None)
    texts = [message for _, message in lines_of(job)]
    assert texts == ["ready", "saved", "tunedeck run: the job was cancelled, the command told to end"]


def test_a_cancelled_job_kills_what_does_not_end(start_ready, logs, lines_of):
    job, run = start_ready(STUBBORN, GRACE_S="1")
    logs.put(f"/api/v1/jobs/{job}", json={"status": "cancelled"})
    assert run.end()[0] == 143
    assert "killed by SIGKILL" in lines_of(job)[-1][1]


GRANDCHILD_STAYS = """
import os, signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {!r}], stdout=subprocess.PIPE)
child.stdout.readline()
print("ready", flush=True)
print(child.pid, flush=True)
time.sleep(60)
"""


def test_the_whole_group_ends(start_ready, logs):
    """The child ends at once, what it has started does not: that is killed as well."""
    job, run = start_ready(GRANDCHILD_STAYS.format(STUBBORN), GRACE_S="1")
    grandchild = int(run.process.stdout.readline())
    logs.put(f"/api/v1/jobs/{job}", json={"status": "cancelled"})
    assert run.end()[0] == 143
    wait_until(lambda: not is_alive(grandchild))


def test_sigterm_ends_the_command(start_ready, show, lines_of):
    job, run = start_ready(SAVES)
    run.signal(signal.SIGTERM)
    assert run.end()[:2] == (143, b"saved\n")
    assert (show(job)["status"], show(job)["error"]) == ("failed", "told to end by SIGTERM")
    assert ("info", "saved") in lines_of(job)


def test_sigterm_kills_what_does_not_end(start_ready, show):
    job, run = start_ready(STUBBORN, GRACE_S="1")
    run.signal(signal.SIGTERM)
    assert run.end()[0] == 143
    assert show(job)["error"] == "told to end by SIGTERM, and killed by SIGKILL as it did not"


def test_sigint_is_the_commands(start_ready, show):
    job, run = start_ready("import time\nprint('ready')\ntime.sleep(60)")
    run.signal(signal.SIGINT)
    code, _, err = run.end()
    assert code == 130
    assert b"KeyboardInterrupt" in err
    assert show(job)["error"] == "killed by SIGINT"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGQUIT])
def test_a_signal_that_the_command_takes_ends_nothing(start_ready, show, number):
    # Python runs no handler for a signal that comes just before a read which waits.
    program = f"""
import select, signal
signal.signal({int(number)}, lambda *_: print("checkpoint", flush=True))
print("ready", flush=True)
while not select.select([0], [], [], 0.1)[0]:
    pass
print(input())
"""
    job, run = start_ready(program)
    for _ in range(2):
        run.signal(number)
        assert run.process.stdout.readline() == b"checkpoint\n"
    assert run.end(b"end\n")[:2] == (0, b"end\n")
    assert show(job)["status"] == "completed"


def test_a_job_that_somebody_else_has_ended_leaves_the_training_alone(start_ready, logs, show):
    job, run = start_ready("print('ready')\nprint(input())")
    logs.put(f"/api/v1/jobs/{job}", json={"status": "failed", "error": "told so"})
    assert b"was ended as failed" in run.process.stderr.readline()
    assert run.end(b"end\n")[:2] == (0, b"end\n")
    assert show(job)["error"] == "told so"


def test_a_killed_run_goes_on_with_its_job(start_ready, start_run, show, lines_of):
    """As a container that is started again with the same command."""
    job, run = start_ready("import time\nprint('ready')\ntime.sleep(60)")
    wait_until(lambda: lines_of(job))
    run.signal(signal.SIGKILL)
    run.process.wait()
    assert show(job)["status"] == "running"
    assert start_run("--job", str(job), program="print('again')").end()[:2] == (0, b"again\n")
    assert show(job)["status"] == "completed"
    assert [message for _, message in lines_of(job)] == ["ready", "again"]


def test_a_killed_run_is_reported_by_the_next_one(start_run, newest_job, show, lines_of, tmp_path):
    program = "import os\nprint(os.path.getsize(os.environ['KUBEFLOW_TRAINER_SERVER_TOKEN']))\ninput()"
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    run = start_run("--name", "to be killed", program=program, TMPDIR=str(temporary))
    size = run.process.stdout.readline().decode().strip()
    assert int(size) > 0
    job = newest_job("to be killed")["ID"]
    wait_until(lambda: lines_of(job))
    run.signal(signal.SIGKILL)
    run.process.wait()
    assert list(temporary.iterdir()) == []
    assert start_run("--name", "the next one", command=["true"]).end()[0] == 0
    assert (show(job)["status"], show(job)["error"]) == ("failed", "tunedeck run was killed")
    assert [message for _, message in lines_of(job)] == [size]
    assert [path for path in (tmp_path / "state").rglob("*") if path.is_file()] == []


def test_a_living_run_is_not_reported(start_run, newest_job, show):
    living = start_run("--name", "alive", command=["cat"])
    wait_until(lambda: newest_job("alive").get("status") == "running")
    assert start_run("--report").end()[0] == 0
    assert newest_job("alive")["status"] == "running"
    assert living.end()[0] == 0


def test_a_command_that_nobody_reads_can_be_cancelled(start_ready, logs, show):
    """It hangs in writing, its reader does not read, and so do we: both end all the same."""
    job, run = start_ready("import sys\nprint('ready')\nwhile True: print('x' * 1000)")
    time.sleep(0.5)
    logs.put(f"/api/v1/jobs/{job}", json={"status": "cancelled"})
    assert run.process.wait(60) == 143
    assert show(job)["status"] == "cancelled"


def test_nohup_is_respected(start_run, new_job, show, environ, logs):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        job = new_job()
        run = start_run("--job", str(job), program="print('ready')\nprint(input())")
    finally:
        signal.signal(signal.SIGHUP, before)
    assert run.process.stdout.readline() == b"ready\n"
    os.kill(run.pid, signal.SIGHUP)
    assert run.end(b"end\n")[:2] == (0, b"end\n")
    assert show(job)["status"] == "completed"
