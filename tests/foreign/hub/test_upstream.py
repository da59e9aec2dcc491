"""A model that only HUB_UPSTREAM has, read by the Hub's client, which is sent there"""

import hashlib
import json
from pathlib import Path

import pytest

from tests.foreign.hub.conftest import HubClient, guarded_system, make_repo
from tests.support.hub_server import hub_server

COMMIT = "c" * 40
API = "/api/models/org/base"
FILES = {"config.json": b'{"model_type": "llama"}', "model.safetensors": bytes(range(256)) * 8_000}


@pytest.fixture(scope="module")
def upstream():
    info = {"id": "org/base", "sha": COMMIT, "siblings": [{"rfilename": name} for name in FILES]}
    tree = [{"type": "file", "oid": "0" * 40, "size": len(content), "path": name} for name, content in FILES.items()]
    with hub_server() as server:
        for path in (API, f"{API}/revision/main", f"{API}/revision/{COMMIT}"):
            server.answers[path] = (200, {}, json.dumps(info).encode())
        server.answers[f"{API}/tree/{COMMIT}"] = (200, {}, json.dumps(tree).encode())
        for name, content in FILES.items():
            headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha256(content).hexdigest()}"'}
            for revision in ("main", COMMIT):
                server.answers[f"/org/base/resolve/{revision}/{name}"] = (200, headers, content)
        missing = {"X-Repo-Commit": COMMIT, "X-Error-Code": "EntryNotFound"}
        server.answers["/org/base/resolve/main/none.json"] = (404, missing, b"")
        yield server


@pytest.fixture(scope="module")
def mirroring(upstream, tmp_path_factory):
    """A system with tokens, whose clients are sent to the upstream."""
    folder = tmp_path_factory.mktemp("mirroring") / "data"
    with guarded_system(folder, HUB_UPSTREAM=upstream.url) as started:
        yield started


@pytest.fixture
def client(python, mirroring, tmp_path):
    return HubClient(python, tmp_path / "home", mirroring.url)


def test_it_works(client, mirroring, upstream):
    upstream.requests.clear()
    there = client.eval("snapshot_download('org/base')", HF_TOKEN=mirroring.reader)
    assert "raised" not in there, there
    assert {path.name: path.read_bytes() for path in Path(there).iterdir()} == FILES
    require_no_secret(mirroring, upstream)


def test_one_file(client, mirroring, upstream):
    upstream.requests.clear()
    path = client.eval("hf_hub_download('org/base', 'config.json')", HF_TOKEN=mirroring.reader)
    assert "raised" not in path, path
    assert Path(path).read_bytes() == FILES["config.json"]
    require_no_secret(mirroring, upstream)


def require_no_secret(mirroring, upstream):
    assert upstream.requests
    for _, path, headers in upstream.requests:
        assert mirroring.reader not in f"{path} {headers}"
        assert "Authorization" not in headers


def test_a_file_that_the_upstream_has_not(client, mirroring):
    """Loaders ask for some that need not be there."""
    refused = client.eval("hf_hub_download('org/base', 'none.json')", HF_TOKEN=mirroring.reader)
    assert "EntryNotFoundError" in refused["raised"]


def test_what_neither_has(client, mirroring):
    refused = client.eval("snapshot_download('org/none')", HF_TOKEN=mirroring.reader)
    assert "RepositoryNotFoundError" in refused["raised"]


def test_what_is_ours_is_read_here(client, mirroring, upstream):
    repo_id = make_repo(mirroring)["repo_id"]
    upstream.requests.clear()
    assert "raised" not in client.eval("snapshot_download(arg[0])", repo_id, HF_TOKEN=mirroring.reader)
    assert upstream.requests == []


def test_who_has_no_token_is_not_sent_there(client, upstream):
    upstream.requests.clear()
    assert "401" in client.eval("snapshot_download('org/base')")["message"]
    assert upstream.requests == []
