"""A rolling update: the code from before the newest migration serves on tables that have it already."""

import shutil
import subprocess
import sys
import tarfile
from io import BytesIO

import pytest
import requests

from run import parts
from run.parts import ROOT, Part
from run.settings import free_port
from tests.support.services import environ_of, set_up

pytestmark = pytest.mark.faults  # it starts a service for each test

CODE = ("gunicorn.conf.py", "client", "shared", "services")


def git(*arguments):
    return subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, check=False).stdout


def former_code(service, folder):
    """Unpack the code as it was before the commit that added the service's newest migration.

    Where that has no commit yet, the last one; and without a history the present code that does not know the migration:
    what else it could have written is tests/shared/database/test_former_columns.py.
    """
    newest = max((ROOT / "services" / service / "migrations").glob("0*.py"))
    added = git("log", "--diff-filter=A", "-1", "--format=%H", "--", newest).decode().strip()
    archive = git("archive", f"{added}~1" if added else "HEAD", *CODE)
    if archive:
        with tarfile.open(fileobj=BytesIO(archive)) as tar:
            tar.extractall(folder, filter="data")
    else:
        shutil.copy(ROOT / CODE[0], folder)
        for name in CODE[1:]:
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / newest.relative_to(ROOT)).unlink()
    assert not (folder / newest.relative_to(ROOT)).exists()


@pytest.fixture
def start_former(start, tmp_path, new_database, database_kind, redis_url, store_settings, store_server):
    def start_former(service):
        former_code(service, tmp_path)
        environ = {
            "DATABASE_URL": new_database(database_kind),
            "REDIS_URL": redis_url,
            **environ_of(store_settings),
            **store_server.parts_environ,
            **dict.fromkeys(("LOGS_URL", "MODELS_URL", "GATEWAY_URL"), f"http://127.0.0.1:{free_port()}"),
        }
        set_up(service, environ)
        port = free_port()
        part = parts.gunicorn(service, environ, port, ())
        # -P: nothing of the present code is on its path.
        command = [sys.executable, "-P", "-m", "gunicorn", "-c", str(tmp_path / "gunicorn.conf.py")]
        command += ["--chdir", str(tmp_path), part.command[-1]]
        start(Part(service, command, part.environ | {"PYTHONPATH": str(tmp_path)}, (), part.ready_url))
        return f"http://127.0.0.1:{port}/api/v1"

    return start_former


def ask(method, url, status=200, **kwargs):
    answer = requests.request(method, url, timeout=30, **kwargs)
    assert answer.status_code == status, answer.text
    return answer


def test_logs(start_former):
    url = start_former("logs")
    job = ask("POST", f"{url}/jobs", 201, json={"dataset_id": 1}).json()["ID"]
    ask("POST", f"{url}/jobs/{job}/logs", 201, json={"message": "x"}, headers={"Idempotency-Key": "k"})
    ask("POST", f"{url}/jobs/{job}/metrics", 201, json={"metrics": [{"step": 1, "values": {"loss": 1}}]})
    for status in ("running", "completed"):
        ask("PUT", f"{url}/jobs/{job}", json={"status": status})
    assert ask("GET", f"{url}/jobs/{job}/logs?limit=5").json()["count"] == 1
    assert b"event: end" in ask("GET", f"{url}/jobs/{job}/logs").content
    assert ask("GET", f"{url}/jobs?metrics=loss").json()["total"] == 1
    ask("DELETE", f"{url}/jobs/{job}/logs")


def test_models(start_former):
    url = start_former("models")
    model = ask("POST", f"{url}/models", 201, json={"name": "m", "base_model": "b"}).json()["ID"]
    ask("PUT", f"{url}/models/{model}/files/a", data=b"x")
    upload = ask("POST", f"{url}/models/{model}/uploads", 201, json={"path": "b", "size": 2**25}).json()["upload_id"]
    ask("DELETE", f"{url}/models/{model}/uploads/{upload}")
    ask("PUT", f"{url}/models/{model}", json={"status": "ready"})
    assert ask("GET", f"{url}/models/{model}/download").content[:2] == b"PK"
    ask("DELETE", f"{url}/models/{model}?purge=true")


def test_evaluations(start_former):
    url = start_former("evaluations")
    ask("PUT", f"{url}/datasets/of-former-code", data=b'[{"input": "a", "expected": "b"}]')
    assert ask("GET", f"{url}/evaluations").json()["total"] == 0
    assert "of-former-code" in ask("GET", f"{url}/datasets").text
    ask("POST", f"{url}/models/1/evaluate", 503, json={"test_set_path": "datasets/of-former-code"})
