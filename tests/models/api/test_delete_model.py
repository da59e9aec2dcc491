"""DELETE /api/v1/models/:id"""

import pytest

from tests.support.databases import one_database

MODELS = "/api/v1/models"


def keys(bucket, path):
    return sorted(found.key for found in bucket.list(f"{path}/"))


def test_it_works(models, bucket, ready):
    model = ready({"a": b"1"})
    answer = models.delete(f"{MODELS}/{model['ID']}")
    assert (answer.status_code, answer.json()) == (
        200,
        {"message": "Model deleted successfully; 1 object stays in the store, DELETE with ?purge=true removes them"},
    )
    assert models.get(f"{MODELS}/{model['ID']}").status_code == 404
    assert models.get(f"{MODELS}/{model['ID']}/files").status_code == 404
    assert models.delete(f"{MODELS}/{model['ID']}").status_code == 404
    assert keys(bucket, model["storage_path"]) == [f"{model['storage_path']}/a"]


def test_a_purge_works_after_it(models, bucket, ready):
    model, other = ready({"a": b"1"}), ready({"b": b"1"})
    url = f"{MODELS}/{model['ID']}"
    assert models.delete(url).status_code == 200
    assert models.delete(url).status_code == 404
    purged = models.delete(f"{url}?purge=true")
    assert (purged.status_code, purged.json()) == (200, {"message": "Model deleted successfully"})
    assert keys(bucket, model["storage_path"]) == []
    assert models.delete(f"{url}?purge=true").status_code == 404
    assert keys(bucket, other["storage_path"]) == [f"{other['storage_path']}/b"]


def test_an_id_is_never_used_twice(models, create):
    model = create()
    models.delete(f"{MODELS}/{model['ID']}")
    assert create()["ID"] > model["ID"]


def test_purge_removes_the_objects(models, bucket, ready):
    model = ready({"a": b"1", "b/c": b"2"})
    assert models.delete(f"{MODELS}/{model['ID']}?purge=true").status_code == 200
    assert keys(bucket, model["storage_path"]) == []


@pytest.mark.parametrize("below", ["", "/b"])
def test_purge_leaves_what_another_model_covers(models, bucket, create, ready, below):
    model = ready({"a": b"1", "b/c": b"2", "bc": b"3"})
    path = model["storage_path"]
    other = create(storage_path=f"{path}{below}", status="ready")
    models.delete(f"{MODELS}/{model['ID']}?purge=true")
    left = [f"{path}/a", f"{path}/b/c", f"{path}/bc"] if not below else [f"{path}/b/c"]
    assert keys(bucket, path) == left
    assert models.get(f"{MODELS}/{other['ID']}/download").status_code == 200
    models.delete(f"{MODELS}/{other['ID']}?purge=true")
    assert keys(bucket, path) == []


def test_purge_leaves_all_where_another_model_lies_above(models, bucket, create, ready):
    model = ready({"b/c": b"2"})
    inner = create(storage_path=f"{model['storage_path']}/b")
    models.delete(f"{MODELS}/{inner['ID']}?purge=true")
    assert keys(bucket, model["storage_path"]) == [f"{model['storage_path']}/b/c"]


@one_database
@pytest.mark.parametrize("value", ["1", "TRUE", ""])
def test_it_rejects_a_bad_purge(models, create, value):
    model = create()
    answer = models.delete(f"{MODELS}/{model['ID']}", params={"purge": value})
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["purge"])


def test_it_keeps_the_record_where_the_store_is_away(own):
    model = own.model()
    own.pipe.cut()
    assert own.call("DELETE", f"/{model['ID']}?purge=true").status_code == 503
    own.pipe.mend()
    assert own.call("DELETE", f"/{model['ID']}?purge=true").status_code == 200
