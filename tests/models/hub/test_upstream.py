"""HUB_UPSTREAM: repositories that are not here"""

import pytest

from tests.support.databases import one_database
from tests.support.hub_server import hub_server

UPSTREAM = "https://127.0.0.1:9/mirror"  # where nobody listens
COMMIT = "c" * 40
FILE = "/org/base/resolve/main/config.json"


@pytest.fixture(scope="module")
def mirroring(start_own):
    return start_own(HUB_UPSTREAM=f"{UPSTREAM}/")


@pytest.fixture(scope="module")
def upstream():
    with hub_server() as server:
        yield server


@pytest.fixture(scope="module")
def asking(start_own, upstream):
    return start_own(HUB_UPSTREAM=upstream.url)


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


def test_what_the_upstream_says_of_a_file_is_passed_on(asking, upstream):
    """Clients follow no redirect with HEAD, or one to huggingface.co with their token."""
    said = {"X-Repo-Commit": COMMIT, "ETag": '"e"', "Content-Type": "text/x-theirs", "Set-Cookie": "a=b"}
    upstream.answers[FILE] = (200, said, b"twelve bytes")
    answer = asking.hub("HEAD", FILE, headers={"Authorization": "Bearer td_secret"})
    assert (answer.status_code, answer.headers["Location"]) == (200, upstream.url + FILE)
    assert (answer.headers["X-Repo-Commit"], answer.headers["ETag"]) == (COMMIT, '"e"')
    assert (answer.headers["Content-Length"], answer.headers["X-Linked-Size"]) == ("12", "12")
    assert "Set-Cookie" not in answer.headers
    assert "td_secret" not in str(upstream.requests)
    got = asking.hub("GET", FILE)
    assert (got.status_code, got.headers["Location"]) == (307, upstream.url + FILE)


def test_it_follows_the_upstream_to_itself_and_leaves_the_bytes_to_the_client(asking, upstream):
    linked = {
        "X-Repo-Commit": COMMIT,
        "X-Linked-ETag": '"l"',
        "X-Linked-Size": "99",
        "Location": "https://cdn.test/x?s=1",
    }
    upstream.answers[FILE] = (307, {"Location": "/cached"}, b"")
    upstream.answers["/cached"] = (302, linked, b"")
    answer = asking.hub("HEAD", FILE)
    assert (answer.status_code, answer.headers["Location"]) == (200, "https://cdn.test/x?s=1")
    assert (answer.headers["ETag"], answer.headers["Content-Length"]) == ('"l"', "99")


@pytest.mark.parametrize(
    ("theirs", "code", "ours"),
    [(404, "EntryNotFound", 404), (401, "RepoNotFound", 404), (403, "GatedRepo", 403), (404, None, 404)],
)
def test_what_it_refuses_is_refused(asking, upstream, theirs, code, ours):
    upstream.answers[FILE] = (theirs, {"X-Repo-Commit": COMMIT} | ({"X-Error-Code": code} if code else {}), b"")
    answer = asking.hub("HEAD", FILE)
    assert (answer.status_code, answer.headers["X-Error-Code"]) == (ours, code or "RepoNotFound")
    assert answer.headers["X-Repo-Commit"] == COMMIT


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (500, {}),
        (200, {"ETag": '"e"'}),
        (200, {"ETag": '"e"', "X-Repo-Commit": COMMIT, "X-Linked-Size": "many"}),
        (307, {"Location": FILE}),
    ],
)
def test_without_a_useful_answer_clients_are_sent_there(asking, upstream, status, headers):
    upstream.answers[FILE] = (status, headers, b"")
    answer = asking.hub("HEAD", FILE)
    assert (answer.status_code, answer.headers["Location"]) == (307, upstream.url + FILE)


@pytest.mark.faults
def test_an_upstream_that_hangs_is_not_waited_for(asking, upstream):
    upstream.answering.clear()
    answer = asking.hub("HEAD", FILE)
    upstream.answering.set()
    assert (answer.status_code, answer.headers["Location"]) == (307, upstream.url + FILE)


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
