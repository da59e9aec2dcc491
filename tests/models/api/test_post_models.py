"""POST /api/v1/models"""

import io
import uuid

import pytest

from tests.support.databases import one_database

MODELS = "/api/v1/models"
DOCUMENTED = {
    "name": "My Custom Model",
    "description": "Fine-tuned for sentiment analysis",
    "base_model": "llama-3.2-3b",
    "type": "lora",
    "job_id": 1,
    "storage_path": "1",
    "lora_adapters_path": "1/lora_adapters",
    "gguf_path": "1/gguf",
    "status": "ready",
}


def test_it_works(models, bucket):
    answer = models.post(MODELS, json=DOCUMENTED)
    record = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"{MODELS}/{record['ID']}"
    assert {name: record[name] for name in DOCUMENTED} == DOCUMENTED
    assert record["total_size"] == sum(found.size for found in bucket.list("1/"))
    assert record["served_name"] == "My Custom Model"
    assert record["created_at"].endswith("Z")


def test_it_fills_in_the_defaults(models):
    record = models.post(MODELS, json={"name": "M", "base_model": "b"}).json()
    path = str(record["ID"])
    assert (record["type"], record["status"], record["job_id"]) == ("lora", "uploading", None)
    assert (record["storage_path"], record["lora_adapters_path"], record["gguf_path"]) == (
        path,
        f"{path}/lora_adapters",
        f"{path}/gguf",
    )
    assert (record["training_metrics"], record["total_size"], record["description"]) == ({}, 0, "")


def test_ready_freezes_what_lies_there_and_not_what_only_begins_alike(models, bucket):
    bucket.put("post-a/x/one", io.BytesIO(b"1"))
    bucket.put("post-ab/two", io.BytesIO(b"22"))
    body = {"name": "M", "base_model": "b", "storage_path": "post-a", "status": "ready"}
    record = models.post(MODELS, json=body).json()
    assert (record["status"], record["total_size"]) == ("ready", 1)


def test_ready_freezes_even_nothing(models):
    body = {"name": "M", "base_model": "b", "storage_path": "nothing-here", "status": "ready"}
    record = models.post(MODELS, json=body).json()
    assert (record["status"], record["total_size"]) == ("ready", 0)


@one_database
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "x" * 256),
        ("name", None),
        ("base_model", 1),
        ("description", "x" * 10_001),
        ("type", ""),
        ("job_id", 0),
        ("job_id", True),
        ("job_id", "1"),
        ("job_id", 2**63),
        ("status", "done"),
        ("training_metrics", []),
        ("storage_path", ""),
        ("storage_path", "/"),
        ("storage_path", "../2"),
        ("storage_path", "1/../2"),
        ("storage_path", "a\\b"),
        ("storage_path", "x" * 1025),
        ("gguf_path", "elsewhere/gguf"),
        ("lora_adapters_path", "elsewhere"),
        ("ID", 7),
        ("nonsense", 1),
    ],
)
def test_it_rejects_a_bad_field(models, field, value):
    before = models.get(MODELS).json()["total"]
    answer = models.post(MODELS, json={**DOCUMENTED, field: value})
    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == [field]
    assert models.get(MODELS).json()["total"] == before


def test_it_rejects_absurd_nesting(models):
    deep = b'{"a":' * 950 + b"1" + b"}" * 950
    body = b'{"name": "M", "base_model": "b", "training_metrics": ' + deep + b"}"
    answer = models.post(MODELS, data=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)


@pytest.mark.parametrize("field", ["name", "base_model"])
def test_it_rejects_a_missing_field(models, field):
    body = {name: value for name, value in DOCUMENTED.items() if name != field}
    answer = models.post(MODELS, json=body)
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])


def test_it_leaves_nothing_where_the_store_is_away(own):
    before = own.call("GET").json()["total"]
    own.pipe.cut()
    answer = own.call("POST", json={"name": "M", "base_model": "b", "status": "ready"})
    own.pipe.mend()
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert own.call("GET").json()["total"] == before


@pytest.mark.parametrize("status", ["uploading", "ready"])
def test_a_key_creates_one_model(models, status):
    body = {"name": "M", "base_model": "b", "status": status, "storage_path": f"keyed-{uuid.uuid4().hex}"}
    key = {"Idempotency-Key": uuid.uuid4().hex}
    first, second = (models.post("/api/v1/models", json=body, headers=key) for _ in range(2))
    assert (first.status_code, second.status_code, second.json()) == (201, 201, first.json())
    assert second.headers["Idempotent-Replayed"] == "true"
    assert models.post("/api/v1/models", json=body | {"name": "N"}, headers=key).status_code == 422
