"""The repository ids of models: given once, at POST /api/v1/models, unique, and for life"""

import uuid

import pytest

from tests.support.databases import one_database

MODELS = "/api/v1/models"


def fresh():
    return f"team/{uuid.uuid4().hex}"


def post(models, **fields):
    return models.post(MODELS, json={"name": "M", "base_model": "b", **fields})


def test_it_works(models):
    repo_id = fresh()
    record = post(models, repo_id=repo_id).json()
    assert record["repo_id"] == repo_id
    assert models.get(f"{MODELS}/{record['ID']}").json()["model"]["repo_id"] == repo_id
    assert repo_id in [model["repo_id"] for model in models.get(MODELS).json()["data"]]


def test_by_default_it_has_the_models_number(models):
    record = post(models).json()
    assert record["repo_id"] == f"tunedeck/model-{record['ID']}"


def test_a_name_without_a_namespace_is_ours_while_nobody_has_a_token(models):
    name = uuid.uuid4().hex
    assert post(models, repo_id=name).json()["repo_id"] == f"tunedeck/{name}"


def test_it_rejects_a_second_one(models):
    repo_id = fresh()
    first = post(models, repo_id=repo_id)
    second = post(models, repo_id=repo_id)
    assert (first.status_code, second.status_code) == (201, 409)
    assert repo_id in second.json()["message"]


def test_the_same_request_again_is_no_second_one(models):
    key, repo_id = {"Idempotency-Key": uuid.uuid4().hex}, fresh()
    body = {"name": "M", "base_model": "b", "repo_id": repo_id}
    first, second = (models.post(MODELS, json=body, headers=key) for _ in range(2))
    assert (second.status_code, second.json()) == (201, first.json())


def test_it_is_kept_for_life(models):
    record = post(models, repo_id=fresh()).json()
    url = f"{MODELS}/{record['ID']}"
    assert models.put(url, json={"repo_id": record["repo_id"], "name": "N"}).json()["repo_id"] == record["repo_id"]
    assert models.put(url, json={"repo_id": fresh()}).status_code == 422
    assert models.delete(url).status_code == 200
    assert post(models, repo_id=record["repo_id"]).status_code == 201


@one_database
@pytest.mark.parametrize(
    "repo_id",
    [
        *("", "/", "a/", "/a", "a/b/c", "a b/c", "a/b\n", "a/ä", "a/b\0", "-a/b", "a/b-", ".a/b", "a/b.", "a/b--c"),
        *("a/b..c", "a/b.git", "a/" + "b" * 95, "models/a", "Models/a", "datasets/a", "spaces/a", "api/a", "ui/a"),
        *("mlflow/a", "tunedeck/model-7", "tunedeck/job-7", "tunedeck/model-x", 7, ["a/b"], {"a": "b"}),
    ],
)
def test_it_rejects_a_bad_one(models, repo_id):
    answer = post(models, repo_id=repo_id)
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["repo_id"])


def test_the_card_says_it(models, ready):
    model = ready({"lora_adapters/a": b"a"})
    card = models.get(f"/{model['repo_id']}/resolve/main/README.md").text
    assert f"| Repository | {model['repo_id']} |" in card
    assert f"hf download {model['repo_id']}" in card
