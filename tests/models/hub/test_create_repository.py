"""POST /api/repos/create, POST /api/validate-yaml and GET /api/whoami-v2"""

import concurrent.futures as futures
import uuid

import pytest
import requests

from tests.support.databases import one_database


def fresh():
    return f"team/{uuid.uuid4().hex}"


def test_it_works(models, pusher):
    repo_id = fresh()
    answer = pusher.create(repo_id, private=True, region="eu")
    assert answer.status_code == 200
    assert answer.json()["url"] == f"http://localhost:8080/{repo_id}"
    record = next(model for model in models.get("/api/v1/models").json()["data"] if model["repo_id"] == repo_id)
    assert (record["status"], record["base_model"], record["name"]) == ("uploading", "unknown", repo_id[5:])


def test_one_that_is_there_is_409_with_its_address(pusher, repo):
    repo_id = fresh()
    pusher.create(repo_id)
    for known in (repo_id, repo["repo_id"]):
        again = pusher.create(known)
        assert (again.status_code, again.json()["url"]) == (409, f"http://localhost:8080/{known}")
        assert again.json()["code"] == 409


def test_a_name_alone_is_in_our_namespace(pusher):
    name = uuid.uuid4().hex
    assert pusher.create(name).json()["url"].endswith(f"/tunedeck/{name}")


def test_of_two_at_once_one_makes_it(models, pusher):
    repo_id = fresh()
    with futures.ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(lambda _: pusher.create(repo_id).status_code, range(8)))
    assert statuses == [200] + [409] * 7


@one_database
@pytest.mark.parametrize("repo_id", ["a--b", "models/a", "tunedeck/model-x", "tunedeck/job-98765", "a/b.git", "a/b/c"])
def test_it_rejects_a_bad_name(pusher, repo_id):
    answer = pusher.create(repo_id)
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["name"])
    assert "X-Error-Message" in answer.headers


@pytest.mark.parametrize("kind", ["dataset", "space", "kernel"])
def test_other_types_are_not_offered(pusher, kind):
    assert pusher.create(fresh(), type=kind).status_code == 501


def test_a_card_is_accepted(models):
    answer = requests.post(f"{models.url}/api/validate-yaml", json={"content": "---\na: [\n---"}, timeout=10)
    assert (answer.status_code, answer.json()) == (200, {"errors": [], "warnings": []})


def test_who_am_i_without_tokens(models):
    assert models.get("/api/whoami-v2").json()["name"] == "tunedeck"
