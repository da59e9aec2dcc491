"""The Hub's API with tokens on: upload tickets, tickets of files, namespaces of names"""

import hashlib
import uuid

import pytest

CONTENT = b"content"
OID = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def repo_id(guarded):
    return f"tunedeck/model-{guarded.new_model()}"


def offer(guarded, repo_id, token):
    body = {"operation": "upload", "objects": [{"oid": OID, "size": 7}]}
    answer = guarded.call("gateway", "POST", f"/{repo_id}.git/info/lfs/objects/batch", token, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["objects"][0]["actions"]["upload"]


def send(guarded, upload):
    """PUT the part, with a token as clients that keep one for the host do, and return what completes it."""
    path = upload["header"]["1"].removeprefix(guarded.urls["gateway"])
    sent = guarded.call("gateway", "PUT", path, "td_whatever", data=CONTENT)
    assert sent.status_code == 200, sent.text
    return {"oid": OID, "parts": [{"partNumber": 1, "etag": sent.headers["ETag"]}]}


def end(guarded, upload, method="POST", path=None, **kwargs):
    return guarded.call("gateway", method, path or upload["href"].removeprefix(guarded.urls["gateway"]), **kwargs)


@pytest.mark.parametrize("who", ["write", "job"])
def test_the_address_that_completes_an_upload_needs_no_token(guarded, who):
    job = guarded.new_job()
    token = guarded.admin if who == "write" else guarded.job_token(job)
    upload = offer(guarded, f"tunedeck/model-{guarded.new_model(job)}", token)
    body = send(guarded, upload)
    assert "ticket=" in upload["href"]
    for _ in range(2):
        assert end(guarded, upload, json=body).status_code == 200


def test_it_is_good_for_that_one_post(guarded, repo_id):
    upload = offer(guarded, repo_id, guarded.admin)
    body = send(guarded, upload)
    address, _, ticket = upload["href"].removeprefix(guarded.urls["gateway"]).partition("?")
    number = address.split("/")[-2]
    elsewhere = [
        address.replace(f"/{number}/", f"/{int(number) + 1}/"),
        f"/api/models/{repo_id}/commit/main",
        f"/api/models/{repo_id}/lfs/verify",
        "/api/v1/models",
        address.replace(repo_id, f"tunedeck/model-{guarded.new_model()}"),
    ]
    for path in elsewhere:
        assert end(guarded, upload, path=f"{path}?{ticket}", json=body).status_code == 401
    for method in ("GET", "PUT", "DELETE"):
        assert end(guarded, upload, method).status_code in (401, 405, 501)
    assert end(guarded, upload, path=f"/api/models/{repo_id}?{ticket}", method="GET").status_code == 401
    assert end(guarded, upload, path=f"{address}?{ticket[:-3]}abc", json=body).status_code == 401
    assert end(guarded, upload, path=address, json=body).status_code == 401


def test_it_dies_with_the_token_of_its_maker(guarded, repo_id):
    token = guarded.tokens.add("pusher", "read", "write")
    guarded.tokens.wait_until_read()
    upload = offer(guarded, repo_id, token)
    body = send(guarded, upload)
    guarded.tokens.remove("pusher")
    guarded.tokens.wait_until_read()
    assert end(guarded, upload, json=body).status_code == 401


def test_a_ticket_to_read_completes_nothing(guarded, repo_id):
    upload = offer(guarded, repo_id, guarded.admin)
    path = upload["href"].removeprefix(guarded.urls["gateway"]).partition("?")[0]
    made = guarded.call("gateway", "POST", "/api/v1/tickets", guarded.admin, json={"path": path})
    assert made.status_code == 422


def test_a_ticket_opens_a_file_of_a_repository(guarded, repo_id):
    number = repo_id.rpartition("-")[2]
    model = f"/api/v1/models/{number}"
    stored = guarded.call("gateway", "PUT", f"{model}/files/lora_adapters/w", guarded.admin, data=b"w")
    assert stored.status_code == 200, stored.text
    ready = guarded.call("gateway", "PUT", model, guarded.admin, json={"status": "ready"})
    assert ready.status_code == 200, ready.text
    path = f"/{repo_id}/resolve/main/w"
    assert guarded.call("gateway", "GET", path).status_code == 401
    made = guarded.call("gateway", "POST", "/api/v1/tickets", guarded.admin, json={"path": path})
    address = made.json()["url"].removeprefix(guarded.urls["gateway"])
    opened = guarded.call("gateway", "GET", address)
    assert opened.status_code == 302, opened.text
    assert "ticket" not in opened.headers["Location"]
    # The client's token comes along where it follows the redirect, for the host is the same.
    link = opened.headers["Location"].removeprefix(guarded.urls["gateway"])
    followed = guarded.call("gateway", "GET", link, guarded.admin)
    assert (followed.status_code, followed.content) == (200, b"w")
    assert followed.headers["Content-Security-Policy"] == "sandbox"
    assert followed.headers["X-Content-Type-Options"] == "nosniff"


def test_a_name_without_a_namespace_is_the_tokens(guarded):
    token = guarded.tokens.add("ann@home.example", "write")
    guarded.tokens.wait_until_read()
    name = uuid.uuid4().hex
    for whose, namespace in ((guarded.admin, "admin"), (token, "ann-home-example")):
        made = guarded.call("gateway", "POST", "/api/repos/create", whose, json={"name": name})
        assert made.json()["name"] == f"{namespace}/{name}"
    guarded.tokens.remove("ann@home.example")


def test_of_another_jobs_repository_one_learns_nothing(guarded):
    job = guarded.new_job()
    name = uuid.uuid4().hex
    own = guarded.call("gateway", "POST", "/api/repos/create", guarded.job_token(job), json={"name": name})
    assert own.status_code == 200
    other = guarded.job_token(guarded.new_job())
    path = f"/api/models/{own.json()['name']}"
    refused, missing = (guarded.call("gateway", "GET", where, other) for where in (path, "/api/models/team/none"))
    assert (refused.status_code, refused.headers["X-Error-Code"]) == (404, "RepoNotFound")
    assert refused.json()["message"].replace(own.json()["name"], "team/none") == missing.json()["message"]
    assert guarded.call("gateway", "POST", "/api/repos/create", other, json={"name": name}).status_code == 403
