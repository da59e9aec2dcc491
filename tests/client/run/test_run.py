"""`tunedeck run` around commands, against the real logs service."""

import json
import os
import signal
import stat
import subprocess
import sys

import pytest

from tests.support.waiting import wait_until


def test_it_works(start_run, new_job, show, lines_of):
    job = new_job()
    program = "import sys\nprint('epoch 1')\nprint('WARNING: hot', file=sys.stderr)\nprint('done')"
    run = start_run("--job", str(job), program=program)
    code, out, err = run.end()
    assert (code, out, err) == (0, b"epoch 1\ndone\n", b"WARNING: hot\n")
    record = show(job)
    assert record["status"] == "completed"
    assert record["kernel"].startswith("tunedeck-run@")
    assert (record["heartbeat_s"], record["error"]) == (30, None)
    assert sorted(lines_of(job)) == [("info", "done"), ("info", "epoch 1"), ("warn", "WARNING: hot")]


def test_it_leaves_nothing_on_disk(start_run, new_job, tmp_path):
    assert start_run("--job", str(new_job()), program="print(1)").end()[0] == 0
    assert [path for path in (tmp_path / "state").rglob("*") if path.is_file()] == []


def test_it_creates_a_job(start_run, newest_job):
    options = ["--dataset", "3", "--name", "a run of its own", "--set", "lr=1e-4", "--set", "model=tiny"]
    options += ["--set", 'layers=["q", "v"]', "--set", "eps=NaN", "--set", "note=a=b"]
    assert start_run(*options, command=["true"]).end() == (0, b"", b"")
    record = newest_job("a run of its own")
    assert (record["status"], record["dataset_id"]) == ("completed", 3)
    configuration = {"lr": 1e-4, "model": "tiny", "layers": ["q", "v"], "eps": "NaN", "note": "a=b"}
    assert record["configuration"] == configuration


@pytest.mark.parametrize(("code", "status", "error"), [(0, "completed", None), (3, "failed", "exit code 3")])
def test_json_is_all_of_its_stdout(start_run, newest_job, code, status, error):
    program = f"import sys; print('epoch 1', flush=True); print('hot', file=sys.stderr); sys.exit({code})"
    ended_with, out, err = start_run("--json", "--name", f"for {code}", program=program).end()

    assert (ended_with, err) == (code, b"epoch 1\nhot\n")
    job = newest_job(f"for {code}")["ID"]
    told = {"job_id": job, "status": status, "error": error, "model_id": None, "exit_code": code}
    assert json.loads(out) == told


def test_json_of_a_run_whose_service_is_away(start_run):
    code, out, _ = start_run("--json", program="print(1)", url="http://127.0.0.1:9", END_TIMEOUT_S="0").end()

    assert code == 0
    assert json.loads(out) == {"job_id": None, "status": None, "error": None, "model_id": None, "exit_code": 0}


@pytest.mark.parametrize(
    ("program", "code", "error"),
    [
        ("raise SystemExit(3)", 3, "exit code 3"),
        ("import os, signal; os.kill(os.getpid(), 9)", 137, "killed by SIGKILL, the kernel's out-of-memory killer"),
        # As a shell or a launcher says it of what it has started.
        ("raise SystemExit(137)", 137, "exit code 137: a process of it was killed by SIGKILL, the kernel's out-of-"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", 139, "killed by SIGSEGV"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", 143, "killed by SIGTERM"),
    ],
)
def test_its_exit_code_is_the_commands(start_run, new_job, show, lines_of, program, code, error):
    job = new_job()
    assert start_run("--job", str(job), program=program).end()[0] == code
    assert (show(job)["status"], show(job)["error"][: len(error)]) == ("failed", error)
    assert lines_of(job)[-1] == ("error", f"tunedeck run: {show(job)['error']}")


def test_an_unknown_command(start_run, new_job, show):
    job = new_job()
    code, _, err = start_run("--job", str(job), command=["no-such-command-here"]).end()
    assert (code, b"command not found: no-such-command-here" in err) == (127, True)
    assert show(job)["error"] == "command not found: no-such-command-here"


@pytest.mark.parametrize("content", ["#!/bin/sh\n", "no program"])
def test_a_command_that_is_not_executable(start_run, new_job, show, tmp_path, content):
    file = tmp_path / "train.sh"
    file.write_text(content)
    file.chmod(0o755 if content.startswith("no") else 0o644)
    job = new_job()
    assert start_run("--job", str(job), command=[str(file)]).end()[0] == 126
    assert show(job)["status"] == "failed"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], b"the command is missing"),
        (["--name", "x", "--"], b"the command is missing"),
        (["true"], b"unrecognized arguments: true"),
        (["--job", "0", "--", "true"], b"--job must be"),
        (["--job", "x", "--", "true"], b"--job"),
        (["--job", "1", "--name", "x", "--", "true"], b"--job names one that is there"),
        (["--set", "x", "--", "true"], b"--set takes KEY=VALUE"),
        (["--base-model", "x", "--", "true"], b"--upload"),
        (["--logs-url", "ftp://x", "--", "true"], b"address must be"),
        (["--url", "x", "--", "true"], b"address must be"),
    ],
)
def test_it_rejects_arguments_that_cannot_work(start_run, words, said):
    code, out, err = start_run(*words).end()
    assert (code, out) == (2, b"")
    assert said in err


def test_it_refuses_a_job_that_is_not_there(start_run, tmp_path):
    code, out, err = start_run("--job", str(2**62), program="print('ran')").end()
    assert (code, out) == (2, b"")
    assert b"404" in err
    assert list((tmp_path / "state").glob("tunedeck/*/runs/*")) == []


def test_it_refuses_a_job_of_another_kernel(start_run, new_job, logs, show):
    job = new_job()
    logs.put(f"/api/v1/jobs/{job}", json={"status": "running", "kernel": "another"})
    code, out, err = start_run("--job", str(job), program="print('ran')").end()
    assert (code, out) == (2, b"")
    assert b"another" in err
    assert show(job)["status"] == "running"


def test_it_refuses_a_job_that_has_ended(start_run, new_job, logs, show):
    job = new_job()
    logs.put(f"/api/v1/jobs/{job}", json={"status": "cancelled"})
    assert start_run("--job", str(job), program="print('ran')").end()[:2] == (2, b"")
    assert show(job)["status"] == "cancelled"


def test_it_refuses_a_job_that_runs_here_already(start_run, new_job, show):
    job = new_job()
    first = start_run("--job", str(job), command=["cat"])
    wait_until(lambda: show(job)["status"] == "running")
    code, out, err = start_run("--job", str(job), program="print('ran')").end()
    assert (code, out) == (2, b"")
    assert b"on this machine already" in err
    assert first.end(b"typed\n")[:2] == (0, b"typed\n")
    assert show(job)["status"] == "completed"


def test_it_refuses_a_description_that_the_service_refuses(start_run):
    code, out, err = start_run("--name", "x" * 256, program="print('ran')").end()
    assert (code, out) == (2, b"")
    assert b"422" in err
    assert b"name" in err


@pytest.mark.parametrize(
    "name", ["a\nb", "../../etc", "\x1b[31mred", "日本 🚂", "-- 'quoted' \"twice\" $(id)", "\udcff"]
)
def test_hostile_names(start_run, logs, name):
    assert start_run(f"--name={name}", command=["true"]).end()[0] == 0
    shown = logs.get("/api/v1/jobs").json()["data"][0]["name"]
    assert shown == name.replace("\udcff", "\ufffd")


def test_the_child_knows_its_job(start_run, new_job, logs):
    job = new_job()
    program = """
import json, os, stat
names = [name for name in os.environ if name.startswith(("TUNEDECK_", "MLFLOW_", "KUBEFLOW_", "PYTHONUNB"))]
shown = {name: os.environ[name] for name in names}
token = shown["KUBEFLOW_TRAINER_SERVER_TOKEN"]
shown["token"] = [open(token).read(), stat.S_IMODE(os.stat(token).st_mode)]
print(json.dumps(shown))
"""
    url = "http://127.0.0.1:9/api/v1/"
    code, out, _ = start_run("--job", str(job), program=program, TUNEDECK_URL=url, TUNEDECK_TOKEN="secret").end()
    assert code == 0
    shown = json.loads(out)
    assert shown["TUNEDECK_JOB"] == shown["MLFLOW_RUN_ID"] == str(job)
    assert shown["TUNEDECK_URL"] == "http://127.0.0.1:9"
    assert shown["TUNEDECK_LOGS_URL"] == logs.url
    assert shown["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:9/mlflow"
    assert shown["MLFLOW_TRACKING_TOKEN"] == "secret"
    assert shown["KUBEFLOW_TRAINER_SERVER_URL"] == f"{logs.url}/api/v1/jobs/{job}/trainer-status"
    assert shown["PYTHONUNBUFFERED"] == "1"
    assert shown["token"] == ["secret", 0o600]
    assert not os.path.exists(shown["KUBEFLOW_TRAINER_SERVER_TOKEN"])


def test_a_login_is_kept_to(start_run, new_job, logs, tmp_path):
    """The kept token goes to the address that it was kept for, and to the command."""
    folder = tmp_path / "config" / "tunedeck"
    folder.mkdir(parents=True)
    (folder / "login.json").write_text(json.dumps({"url": logs.url, "token": "kept"}))
    program = "import os; print(os.environ['TUNEDECK_URL'], os.environ['TUNEDECK_TOKEN'])"
    settings = {"XDG_CONFIG_HOME": str(tmp_path / "config"), "TUNEDECK_URL": "", "TUNEDECK_LOGS_URL": ""}
    code, out, _ = start_run("--job", str(new_job()), program=program, **settings).end()
    assert (code, out) == (0, f"{logs.url} kept\n".encode())


def test_what_is_set_already_stays(start_run, new_job):
    program = "import os; print(os.environ['MLFLOW_TRACKING_URI'], os.environ.get('MLFLOW_RUN_ID'))"
    settings = {"MLFLOW_TRACKING_URI": "http://mine", "PYTHONUNBUFFERED": ""}
    out = start_run("--job", str(new_job()), program=program, **settings).end()[1]
    assert out == b"http://mine None\n"


def test_lines_are_live_though_nobody_asked_for_it(start_run, new_job, lines_of):
    """Python keeps what it prints into a pipe until some kilobytes are together, unless it is told not to."""
    job = new_job()
    run = start_run("--job", str(job), program="print('live')\ninput()")
    wait_until(lambda: lines_of(job) == [("info", "live")])
    assert run.process.stdout.readline() == b"live\n"
    assert run.end(b"\n")[0] == 0


def test_stdin_is_the_commands(start_run, new_job):
    data = os.urandom(300_000)
    code, out, _ = start_run("--job", str(new_job()), command=["cat"]).end(data)
    assert (code, out) == (0, data)


def test_binary_output_passes_through_unchanged(start_run, new_job, lines_of):
    job = new_job()
    program = "import sys; sys.stdout.buffer.write(bytes(range(256)) * 10 + b'\\n' + b'x' * 300_000)"
    code, out, _ = start_run("--job", str(job), program=program).end()
    assert (code, out) == (0, bytes(range(256)) * 10 + b"\n" + b"x" * 300_000)
    assert "".join(message for _, message in lines_of(job)).count("x") >= 300_000


def test_bars_levels_and_tracebacks_are_read_as_by_tunedeck_log(start_run, new_job, lines_of):
    job = new_job()
    program = "print('10%\\r20%\\r100%\\nERROR: bad')\nraise ValueError('why')"
    assert start_run("--job", str(job), program=program).end()[0] == 1
    levels = {message.splitlines()[-1]: level for level, message in lines_of(job)}
    expected = {"100%": "info", "ERROR: bad": "error", "ValueError: why": "error", "tunedeck run: exit code 1": "error"}
    assert levels == expected


def test_a_child_that_closes_its_output_is_waited_for(start_run, new_job, lines_of):
    job = new_job()
    program = "import os, sys, time\nos.write(1, b'last words')\nos.close(1); os.close(2)\ntime.sleep(1)\nos._exit(5)"
    assert start_run("--job", str(job), program=program).end()[:2] == (5, b"last words")
    assert lines_of(job)[0] == ("info", "last words")


GRANDCHILD = """
import os, subprocess, sys
process = subprocess.Popen([sys.executable, "-c", {!r}])
print(process.pid)
"""


def test_a_grandchild_that_holds_the_output_open_is_not_waited_for(start_run, new_job, show):
    job = new_job()
    run = start_run("--job", str(job), program=GRANDCHILD.format("import time; time.sleep(50)"))
    code, out, _ = run.end(timeout=40)
    os.kill(int(out), signal.SIGKILL)
    assert code == 0
    assert show(job)["status"] == "completed"


def test_a_grandchild_that_goes_on_printing_is_not_waited_for(start_run, new_job, show):
    job = new_job()
    noisy = "import time\nfor n in range(400): print(n, flush=True); time.sleep(0.1)"
    code, out, _ = start_run("--job", str(job), program=GRANDCHILD.format(noisy)).end(timeout=35)
    os.kill(int(out.split()[0]), signal.SIGKILL)
    assert code == 0
    assert show(job)["status"] == "completed"


def test_a_reader_that_is_gone_does_not_stop_the_log(start_run, new_job, lines_of):
    job = new_job()
    run = start_run("--job", str(job), program="input()\nfor n in range(500): print(n)")
    run.process.stdout.close()
    run.process.stdout = None
    run.process.stdin.write(b"\n")
    run.process.stdin.close()
    assert run.process.wait(60) == 0
    assert lines_of(job) == [("info", str(number)) for number in range(500)]
    run.process.stdin = None


def test_a_large_output_arrives_whole_and_in_order(start_run, new_job, logs):
    job = new_job()
    run = start_run("--job", str(job), program="for n in range(30_000): print(n)")
    code, out, _ = run.end()
    assert (code, len(out.splitlines())) == (0, 30_000)
    text = logs.get(f"/api/v1/jobs/{job}/logs?limit=1000&after=29000").json()["logs"]
    assert [line["message"] for line in text] == [str(number) for number in range(29_000, 30_000)]


def test_no_output_at_all(start_run, new_job, show, lines_of):
    job = new_job()
    assert start_run("--job", str(job), command=["true"]).end() == (0, b"", b"")
    assert (show(job)["status"], lines_of(job)) == ("completed", [])


def test_a_closed_stdin_and_stdout(environ, new_job, logs, show):
    """As under a service manager that gives nothing: descriptors 0 and 1 are the next ones to be opened."""
    job = new_job()
    words = f"-m tunedeck_client.command run --job {job} --logs-url {logs.url} -- echo out"
    done = subprocess.run(["bash", "-c", f"{sys.executable} {words} <&- >&-"], env=environ, timeout=60, check=False)
    assert done.returncode == 0
    assert show(job)["status"] == "completed"


def test_the_token_is_in_no_line_and_no_record(start_run, new_job, show, logs, tmp_path):
    job = new_job()
    start_run("--job", str(job), command=["false"], TUNEDECK_TOKEN="very-secret").end()
    assert "very-secret" not in json.dumps(show(job)) + logs.get(f"/api/v1/jobs/{job}/logs?limit=10").text
    files = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert not any(b"very-secret" in path.read_bytes() for path in files)


def test_a_state_folder_is_ours_alone(start_run, free_port, tmp_path):
    url = f"http://127.0.0.1:{free_port}"
    start_run("--name", "x", command=["true"], url=url, END_TIMEOUT_S="0").end()
    (record,) = (tmp_path / "state").glob("tunedeck/*/runs/*")
    assert stat.S_IMODE(record.stat().st_mode) == 0o700
