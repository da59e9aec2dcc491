"""POST /:namespace/:name.git/info/lfs/objects/batch, the links that it gives, and commits of what came by them"""

import os
from datetime import UTC, datetime, timedelta

import pytest
import requests

from services.models.files.expire_uploads import expire_uploads
from services.models.tables import StagedObject
from tests.models.hub.pushes import Pusher, by_sha256, inline, sha256
from tests.support.databases import one_database

MODELS = "/api/v1/models"


@pytest.fixture
def content():
    return os.urandom(1000)


@pytest.fixture
def repo_id(create):
    return create(base_model="unknown")["repo_id"]


def test_it_works(models, pusher, repo_id, content, bucket):
    pusher.upload(repo_id, content)
    assert pusher.commit(repo_id, by_sha256("w.safetensors", content)).status_code == 200
    assert pusher.names(repo_id) == ["README.md", "w.safetensors"]
    record = models.get(f"{MODELS}/{repo_id.rpartition('-')[2]}").json()["model"]
    assert record["status"] == "ready"
    key = f"{record['storage_path']}/lora_adapters/w.safetensors"
    assert bucket.stat(key).size == 1000
    assert not bucket.has(f"uploads/{record['ID']}/{sha256(content)}")


def test_a_large_one_comes_in_parts(pusher, repo_id, bucket, models):
    content = os.urandom(2**20) * 17
    offered = pusher.offer(repo_id, content)
    assert offered.headers["Content-Type"] == "application/vnd.git-lfs+json"
    header = offered.json()["objects"][0]["actions"]["upload"]["header"]
    assert (header["chunk_size"], set(header)) == (str(16 * 2**20), {"chunk_size", "1", "2"})
    pusher.upload(repo_id, content)
    assert pusher.commit(repo_id, by_sha256("big.gguf", content)).ok
    path = models.get(f"{MODELS}/{repo_id.rpartition('-')[2]}").json()["model"]["storage_path"]
    assert b"".join(bucket.chunks(f"{path}/gguf/big.gguf")) == content


def test_what_is_staged_or_there_is_not_asked_for_again(pusher, repo_id, content):
    pusher.upload(repo_id, content)
    for _ in range(2):
        (offered,) = pusher.offer(repo_id, content).json()["objects"]
        assert offered == {"oid": sha256(content), "size": len(content)}
        assert pusher.commit(repo_id, by_sha256("w", content)).ok


def test_an_interrupted_one_goes_on(pusher, repo_id, bucket):
    content = os.urandom(2**20) * 17
    first = pusher.offer(repo_id, content).json()["objects"][0]["actions"]["upload"]
    assert requests.put(first["header"]["1"], data=content[: 16 * 2**20], timeout=60).ok
    again = pusher.offer(repo_id, content).json()["objects"][0]["actions"]["upload"]
    assert again["href"].partition("?")[0] == first["href"].partition("?")[0]
    pusher.upload(repo_id, content)
    assert pusher.commit(repo_id, by_sha256("w", content)).ok


def test_complete_is_idempotent(pusher, repo_id, content):
    actions, body = pusher.send(pusher.offer(repo_id, content), content)
    for _ in range(2):
        assert pusher.end(actions["upload"]["href"], json=body).status_code == 200


def test_complete_rejects_other_parts_than_came(pusher, repo_id, content):
    actions, body = pusher.send(pusher.offer(repo_id, content), content)
    etag = body["parts"][0]["etag"]
    for parts in ([], [{"partNumber": 2, "etag": etag}], [{"partNumber": 1, "etag": '"' + "0" * 32 + '"'}]):
        answer = pusher.end(actions["upload"]["href"], json=body | {"parts": parts})
        assert (answer.status_code, list(answer.json()["errors"])) == (422, ["parts"])
    assert pusher.end(actions["verify"]["href"], json={"oid": body["oid"], "size": 1000}).status_code == 422
    assert pusher.commit(repo_id, by_sha256("w", content)).status_code == 422


def test_a_file_is_renamed_without_being_sent(pusher, repo_id, content):
    assert pusher.commit(repo_id, inline("a", content)).ok
    moved = [by_sha256("b", content), {"key": "deletedFile", "value": {"path": "a"}}]
    assert pusher.commit(repo_id, *moved).ok
    assert (pusher.names(repo_id), pusher.read(repo_id, "b")) == (["README.md", "b"], content)


def test_two_files_change_places(pusher, repo_id, content):
    other = os.urandom(500)
    assert pusher.commit(repo_id, inline("a", content), inline("b", other)).ok
    assert pusher.commit(repo_id, by_sha256("a", other), by_sha256("b", content)).ok
    assert (pusher.read(repo_id, "a"), pusher.read(repo_id, "b")) == (other, content)


def test_what_one_model_has_staged_is_no_other_models(pusher, repo_id, create, content):
    pusher.upload(repo_id, content)
    other = create()["repo_id"]
    assert "actions" in pusher.offer(other, content).json()["objects"][0]
    assert pusher.commit(other, by_sha256("w", content)).status_code == 422


@one_database
@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"operation": "download"}, "operation"),
        ({"objects": None}, "objects"),
        ({"objects": [{"oid": "x", "size": 1}]}, "objects.0.oid"),
        ({"objects": [{"oid": "0" * 64, "size": -1}]}, "objects.0.size"),
        ({"objects": [{"oid": "0" * 64, "size": 6 * 2**40}]}, "objects.0.size"),
        ({"objects": [{"oid": "0" * 64}]}, "objects.0.size"),
    ],
)
def test_it_rejects_a_bad_field(pusher, repo_id, fields, field):
    answer = pusher.offer(repo_id, b"x", **fields)
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])


def test_it_opens_once_it_is_verified_and_never_if_it_is_another(own, store_server, content):
    pusher = Pusher(own, store_server)
    right, wrong = own.model()["repo_id"], own.model()["repo_id"]
    pusher.upload(right, content)
    actions, body = pusher.send(pusher.offer(wrong, content), content)
    link = pusher.offer(wrong, content).json()["objects"][0]["actions"]["upload"]["header"]["1"]
    etag = requests.put(link, data=b"y" * 1000, timeout=10).headers["ETag"]
    body["parts"][0]["etag"] = etag
    assert pusher.end(actions["upload"]["href"], json=body).ok
    for repo_id in (right, wrong):
        assert pusher.commit(repo_id, by_sha256("w", content)).ok
    with own.checksums():
        assert wait(pusher, right) == content
        assert wait(pusher, wrong) == 409


def wait(pusher, repo_id):
    answer = 503
    while answer == 503:  # each waits some seconds
        answer = pusher.read(repo_id, "w")
    return answer


def test_what_no_commit_took_goes_after_a_day(own, store_server, content, bucket, tables):
    pusher, model = Pusher(own, store_server), own.model()
    pusher.upload(model["repo_id"], content)
    open_key = f"uploads/{model['ID']}/{sha256(b'never sent')}"
    pusher.offer(model["repo_id"], b"never sent")
    key = f"uploads/{model['ID']}/{sha256(content)}"
    now = datetime.now(UTC)
    with tables(own.environ["DATABASE_URL"]):
        expire_uploads(bucket, now)
        assert bucket.has(key)
        assert open_key in {found.key for found in bucket.list_uploads()}
        expire_uploads(bucket, now + timedelta(hours=25))
        assert not StagedObject.select().where(StagedObject.model_id == model["ID"]).exists()
    assert not bucket.has(key)
    assert open_key not in {found.key for found in bucket.list_uploads()}
    assert pusher.commit(model["repo_id"], by_sha256("w", content)).status_code == 422


def test_no_model_lies_where_content_is_staged(models):
    for path in ("uploads", "uploads/1"):
        answer = models.post(MODELS, json={"name": "M", "base_model": "b", "storage_path": path})
        assert (answer.status_code, list(answer.json()["errors"])) == (422, ["storage_path"])
