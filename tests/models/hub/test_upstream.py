"""HUB_UPSTREAM: repositories that are not here"""

import pytest

from tests.support.databases import one_database

UPSTREAM = "https://hub.example/mirror"


@pytest.fixture(scope="module")
def mirroring(start_own):
    return start_own(HUB_UPSTREAM=f"{UPSTREAM}/")


@pytest.mark.parametrize(
    "path",
    [
        "/api/models/org/base",
        "/api/models/org/base/revision/main",
        "/api/models/org/base/tree/main?recursive=True",
        "/org/base/resolve/main/a%20b/config.json",
    ],
)
def test_it_sends_clients_there(mirroring, path):
    for method in ("GET", "HEAD"):
        answer = mirroring.hub(method, path)
        assert (answer.status_code, answer.headers["Location"]) == (307, UPSTREAM + path)
    assert mirroring.hub("POST", "/api/models/org/base/paths-info/main", data={"paths": "a"}).status_code == 307


def test_what_is_ours_is_never_there(mirroring):
    model, _ = mirroring.ready({"lora_adapters/a": b"a"})
    assert mirroring.hub("GET", f"/api/models/{model['repo_id']}").status_code == 200
    for path in ("/api/models/tunedeck/model-999", "/tunedeck/none/resolve/main/a", "/api/models/tunedeck/job-7"):
        answer = mirroring.hub("GET", path)
        assert (answer.status_code, answer.headers["X-Error-Code"]) == (404, "RepoNotFound")
    missing = mirroring.hub("GET", f"/{model['repo_id']}/resolve/main/none")
    assert missing.headers["X-Error-Code"] == "EntryNotFound"


def test_pushes_stay_here(mirroring):
    for path in ("/api/models/org/base/preupload/main", "/org/base.git/info/lfs/objects/batch"):
        body = {"files": [], "operation": "upload", "objects": []}
        answer = mirroring.hub("POST", path, json=body)
        assert (answer.status_code, answer.headers["X-Error-Code"]) == (404, "RepoNotFound")


def test_who_has_no_token_is_not_sent_there(start_own, tmp_path):
    (tmp_path / "tokens.toml").touch()
    settings = {"TOKENS_FILE": str(tmp_path / "tokens.toml"), "AUTH_SECRET": "s" * 32}
    guarded = start_own(HUB_UPSTREAM=UPSTREAM, **settings)
    assert guarded.hub("GET", "/api/models/org/base").status_code == 401


@one_database
def test_without_one_it_is_404(models):
    assert models.get("/api/models/org/base").status_code == 404
