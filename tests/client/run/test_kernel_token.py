"""A run by a kernel's token, which claims jobs and does no more: it goes on by the job's own token."""

import pytest
import requests
from tunedeck_client import Job

from run.token_file import add_token, remove_token
from tests.conftest import Client
from tests.support.pipe import Pipe
from tests.support.waiting import wait_until

pytestmark = pytest.mark.faults

SECRET = "a secret of the tests, of more than 32 bytes"


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    return tmp_path_factory.mktemp("tokens") / "tokens.toml"


@pytest.fixture(scope="module")
def admin(tokens):
    return add_token(tokens, "admin", ["write"], None)


@pytest.fixture(scope="module")
def gpu(tokens):
    return add_token(tokens, "gpu-1", ["kernel"], None)


@pytest.fixture(scope="module")
def logs(serve, new_database, redis_url, tokens, admin, gpu):
    """The real logs service, that asks for tokens; asked by somebody who may do everything."""
    service = serve(
        "logs",
        DATABASE_URL=new_database("sqlite"),
        REDIS_URL=redis_url,
        TOKENS_FILE=str(tokens),
        AUTH_SECRET=SECRET,
    )
    client = Client(service.url)
    client.session.headers["Authorization"] = f"Bearer {admin}"
    return client


@pytest.fixture
def gateway(logs):
    """An address of the logs service that can go away."""
    return Pipe(logs.url.removeprefix("http://"))


@pytest.fixture
def new_job(logs):
    return lambda: logs.post("/api/v1/jobs", json={"dataset_id": 1}).json()["ID"]


def wait_until_all_answer(logs, token, status):
    """Wait until each process of the service has read the file of tokens: twenty connections in a row say so."""
    headers = {"Authorization": f"Bearer {token}"}

    def answers():
        return requests.get(f"{logs.url}/api/v1/jobs", headers=headers, timeout=30).status_code == status

    wait_until(lambda: all(answers() for _ in range(20)))


REPORTS = """
import os, urllib.request
url = os.environ["TUNEDECK_LOGS_URL"] + "/api/v1/jobs/"
def ask(job):
    headers = {"Authorization": "Bearer " + os.environ["TUNEDECK_TOKEN"]}
    return urllib.request.urlopen(urllib.request.Request(f"{url}{job}", headers=headers)).status
print(os.environ["TUNEDECK_TOKEN"][:3], os.environ["MLFLOW_TRACKING_TOKEN"][:3], os.environ["TUNEDECK_KERNEL"])
print(open(os.environ["KUBEFLOW_TRAINER_SERVER_TOKEN"]).read()[:3], ask(os.environ["TUNEDECK_JOB"]))
"""


@pytest.mark.parametrize("options", [(), ("--kernel", "gpu-1"), ("--kernel", "a name of the machine's")])
def test_it_works(start_run, new_job, show, lines_of, gpu, options):
    """The kernel's name is that of the token, whatever the machine is called."""
    job = new_job()
    code, out, err = start_run("--job", str(job), *options, program=REPORTS, TUNEDECK_TOKEN=gpu).end()
    assert (code, err) == (0, b"")
    assert out == b"tj_ tj_ gpu-1\ntj_ 200\n"
    record = show(job)
    assert (record["status"], record["kernel"], record["heartbeat_s"]) == ("completed", "gpu-1", 30)
    assert [message for _, message in lines_of(job)] == out.decode().splitlines()


def test_the_child_learns_nothing_of_other_jobs(start_run, new_job, gpu):
    program = REPORTS + f"\nprint(ask({new_job()}))"
    code, _, err = start_run("--job", str(new_job()), program=program, TUNEDECK_TOKEN=gpu).end()
    assert (code, b"HTTP Error 404" in err) == (1, True)


def test_a_users_token_stays_as_it_is(start_run, new_job, show, admin):
    job = new_job()
    program = "import os; print(os.environ['TUNEDECK_TOKEN'][:3], os.environ['TUNEDECK_KERNEL'])"
    code, out, _ = start_run("--job", str(job), "--kernel", "mine", program=program, TUNEDECK_TOKEN=admin).end()
    assert (code, out) == (0, b"td_ mine\n")
    assert (show(job)["status"], show(job)["kernel"]) == ("completed", "mine")


def test_it_rejects_what_a_kernel_may_not_have(start_run, new_job, logs, gpu):
    """Another's job, one that has ended, one that is not there, and a job that is yet to be created."""
    theirs, over = new_job(), new_job()
    logs.put(f"/api/v1/jobs/{theirs}", json={"status": "running", "kernel": "another"})
    logs.put(f"/api/v1/jobs/{over}", json={"status": "cancelled"})
    for options, status in ((["--job", str(theirs)], 409), (["--job", str(over)], 409), (["--job", "999999"], 404)):
        code, out, err = start_run(*options, program="print('ran')", TUNEDECK_TOKEN=gpu).end()
        assert (code, out, f"answers {status}".encode() in err) == (2, b"", True), err
    code, out, err = start_run(program="print('ran')", TUNEDECK_TOKEN=gpu).end()
    assert (code, out, b"The scope write is missing" in err) == (2, b"", True), err


@pytest.mark.parametrize("token", ["td_unknown", "tj_forged"])
def test_it_rejects_a_token_that_nobody_knows(start_run, new_job, token):
    code, out, err = start_run("--job", str(new_job()), program="print('ran')", TUNEDECK_TOKEN=token).end()
    assert (code, out, b"answers 401" in err) == (2, b"", True)


WAITS = "import os; print('ready', flush=True)\nprint(input(), 'TUNEDECK_JOB' in os.environ)"


def test_an_outage_at_the_start_claims_the_job_later(start_run, gateway, new_job, show, lines_of, gpu):
    job, url = new_job(), f"http://127.0.0.1:{gateway.port}"
    gateway.cut()
    run = start_run("--job", str(job), program=WAITS, url=url, TUNEDECK_TOKEN=gpu)
    assert run.process.stdout.readline() == b"ready\n"
    gateway.mend()
    wait_until(lambda: show(job)["kernel"] == "gpu-1")
    code, out, err = run.end(b"end\n")
    assert (code, out, b"is away" in err) == (0, b"end False\n", True)
    assert show(job)["status"] == "completed"
    assert [message for _, message in lines_of(job)] == ["ready", "end False"]


def test_what_a_run_left_is_reported_by_the_next_one(start_run, gateway, new_job, show, lines_of, gpu, tmp_path):
    """Each by its own job's token: that of the next run's job would not do."""
    left, url = new_job(), f"http://127.0.0.1:{gateway.port}"
    run = start_run("--job", str(left), program=WAITS, url=url, TUNEDECK_TOKEN=gpu, END_TIMEOUT_S="0")
    assert run.process.stdout.readline() == b"ready\n"
    wait_until(lambda: lines_of(left))
    gateway.cut()
    code, _, err = run.end(b"end\n")
    assert (code, b"not reported yet" in err) == (0, True)
    assert gpu not in "".join(path.read_text() for path in (tmp_path / "state").rglob("run.json"))
    gateway.mend()
    assert start_run("--job", str(new_job()), command=["true"], url=url, TUNEDECK_TOKEN=gpu).end()[0] == 0
    wait_until(lambda: show(left)["status"] == "completed")
    assert [message for _, message in lines_of(left)] == ["ready", "end True"]
    assert [path for path in (tmp_path / "state").rglob("*") if path.is_file()] == []


def test_a_token_that_is_revoked_ends_no_training(start_run, new_job, logs, tokens):
    token, job = add_token(tokens, "gpu-2", ["kernel"], None), new_job()
    wait_until_all_answer(logs, token, 200)
    run = start_run("--job", str(job), program=WAITS, TUNEDECK_TOKEN=token, END_TIMEOUT_S="1")
    assert run.process.stdout.readline() == b"ready\n"
    remove_token(tokens, "gpu-2")
    wait_until_all_answer(logs, token, 401)
    code, out, err = run.end(b"end\n", timeout=100)
    assert (code, out, b"not reported yet" in err) == (0, b"end True\n", True)


def test_a_training_that_reports_by_itself(new_job, logs, show, lines_of, gpu, monkeypatch, tmp_path):
    monkeypatch.delenv("TUNEDECK_KERNEL", raising=False)
    number = new_job()
    with Job(number, url=logs.url, token=gpu, spool_dir=tmp_path) as job:
        assert job.token.startswith("tj_")
        job.log_metrics({"loss": 0.5}, step=1)
        job.handler.log_error("hot")
    assert (show(number)["status"], show(number)["kernel"]) == ("completed", "gpu-1")
    assert lines_of(number) == [("error", "hot")]
    assert logs.get(f"/api/v1/jobs/{number}/metrics").json()["series"][0]["last"] == 0.5
