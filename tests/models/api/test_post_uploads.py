"""POST /api/v1/models/:id/uploads"""

import re
from urllib.parse import urlsplit

import pytest
import requests

from tests.support.databases import one_database

MODELS = "/api/v1/models"
MIB = 2**20


def begin(models, model, **fields):
    return models.post(f"{MODELS}/{model['ID']}/uploads", json={"path": "big.bin", "size": 20 * MIB, **fields})


def test_it_works(models, create):
    model = create()
    answer = begin(models, model)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (201, "no-store")
    record = answer.json()
    assert set(record) == {"upload_id", "path", "size", "part_size", "status", "parts", "uploaded", "expires_at"}
    assert answer.headers["Location"] == f"{MODELS}/{model['ID']}/uploads/{record['upload_id']}"
    assert (record["part_size"], record["status"], record["uploaded"]) == (16 * MIB, "open", [])
    assert [part["number"] for part in record["parts"]] == [1, 2]
    assert models.get(answer.headers["Location"]).json()["path"] == "big.bin"


def test_the_links_name_the_gateway_and_the_identity_that_cannot_read(models, create, store_server):
    forwarded = {"X-Forwarded-Proto": "http", "Host": "gateway.example:8080"}
    model = create()
    body = {"path": "a b/ü.bin", "size": 5}
    answer = models.post(f"{MODELS}/{model['ID']}/uploads", json=body, headers=forwarded).json()
    [part] = answer["parts"]
    assert part["url"].startswith(f"http://gateway.example:8080/models/{model['storage_path']}/a%20b/%C3%BC.bin?")
    assert f"X-Amz-Credential={store_server.parts_access_key}%2F" in part["url"]


@pytest.mark.parametrize(
    ("size", "part_size", "parts"),
    [(1, 16 * MIB, 1), (16 * MIB, 16 * MIB, 1), (70 * 2**30, 72 * MIB, 996), (5 * 2**40, 5 * 2**30, 1024)],
)
def test_about_a_thousand_parts_are_enough_for_any_size(models, create, size, part_size, parts):
    record = begin(models, create(), size=size).json()
    assert (record["part_size"], len(record["parts"])) == (part_size, parts)


def test_a_link_writes_its_part_and_does_nothing_else(models, create, bucket, store_server):
    """The store itself says so, whatever the gateway lets through."""
    model = create()
    models.put(f"{MODELS}/{model['ID']}/files/secret", data=b"secret")
    headers = {"X-Forwarded-Proto": "http", "Host": urlsplit(store_server.endpoint).netloc}
    body = {"path": "big.bin", "size": 6}
    record = models.post(f"{MODELS}/{model['ID']}/uploads", json=body, headers=headers).json()
    [part] = record["parts"]
    copying = {"x-amz-copy-source": f"/models/{model['storage_path']}/secret"}
    assert requests.put(part["url"], headers=copying, timeout=10).status_code == 403
    assert requests.get(part["url"], timeout=10).status_code == 403
    assert requests.put(part["url"].replace("partNumber=1", "partNumber=2"), data=b"x", timeout=10).status_code == 403
    assert requests.put(part["url"].replace("big.bin", "other"), data=b"x", timeout=10).status_code == 403
    assert requests.put(part["url"], data=b"weight", timeout=10).status_code == 200
    assert [found.key.rsplit("/", 1)[1] for found in bucket.list(f"{model['storage_path']}/")] == ["secret"]


@one_database
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("path", "../x"),
        ("path", "a//b"),
        ("path", ""),
        ("size", -1),
        ("size", 5 * 2**40 + 1),
        ("size", "5"),
        ("sha256", "abc"),
        ("sha256", "0" * 64 + "\n"),
        ("nonsense", 1),
    ],
)
def test_it_rejects_a_bad_field(models, create, field, value):
    answer = begin(models, create(), **{field: value})
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])


def test_it_rejects_a_path_that_clashes(models, create, upload):
    model = create()
    upload(model["ID"], {"a": b"1"})
    assert begin(models, model, path="a/b").status_code == 409


def test_it_rejects_a_model_that_is_ready_or_unknown(models, ready):
    assert begin(models, ready({"a": b"1"})).status_code == 409
    assert begin(models, {"ID": 999_999}).status_code == 404


def test_a_model_with_an_open_upload_does_not_get_ready(models, create):
    model = create()
    record = begin(models, model).json()
    url = f"{MODELS}/{model['ID']}"
    answer = models.put(url, json={"status": "ready", "allow_empty": True})
    assert answer.status_code == 409
    assert re.search(rf"\b{record['upload_id']} of big.bin\b", answer.json()["message"])
    models.delete(f"{url}/uploads/{record['upload_id']}")
    assert models.put(url, json={"status": "ready", "allow_empty": True}).status_code == 200


def test_it_rejects_while_the_store_is_away(own):
    model = own.model()
    own.pipe.cut()
    answer = own.call("POST", f"/{model['ID']}/uploads", json={"path": "a", "size": 5})
    own.pipe.mend()
    assert (answer.status_code, bool(answer.headers["Retry-After"])) == (503, True)
    assert own.call("GET", f"/{model['ID']}/uploads").json()["total"] == 0


def test_a_file_of_no_bytes_has_no_parts(models, create):
    url = f"{MODELS}/{create()['ID']}"
    record = models.post(f"{url}/uploads", json={"path": "empty", "size": 0}).json()
    assert record["parts"] == []
    complete = f"{url}/uploads/{record['upload_id']}/complete"
    assert models.post(complete, json={"parts": [{"number": 1, "etag": "x"}]}).status_code == 422
    for _ in range(2):
        done = models.post(complete, json={"parts": []})
        assert (done.status_code, done.json()["size"]) == (200, 0)
    assert models.get(url).json()["files"] == {"empty": 0}
