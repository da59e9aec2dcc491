"""PUT /api/v1/models/:id"""

import http.client
import io
import json
import threading
import uuid
import zipfile
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from services.models.tables import Hold
from tests.support.databases import on, one_database
from tests.support.waiting import wait_until

MODELS = "/api/v1/models"


def test_it_works(models, create, upload):
    model = create()
    upload(model["ID"], {"gguf/a.gguf": b"12345"})
    changes = {
        "name": "Updated Model Name",
        "description": "Updated description",
        "status": "ready",
        "training_metrics": {"loss": 0.20, "accuracy": 0.92},
    }
    answer = models.put(f"{MODELS}/{model['ID']}", json=changes)
    assert answer.status_code == 200
    record = answer.json()
    assert changes.items() <= record.items()
    assert record["total_size"] == 5
    kept = {"ID", "job_id", "base_model", "type", "storage_path", "served_name", "created_at"}
    assert {name: record[name] for name in kept} == {name: model[name] for name in kept}


def test_what_was_got_may_be_sent_back_edited(models, ready):
    model = ready({"gguf/a": b"1", "lora_adapters/a": b"2"})
    url = f"{MODELS}/{model['ID']}"
    got = models.get(url).json()["model"]
    answer = models.put(url, json={**got, "name": "New"})
    assert (answer.status_code, answer.json()["name"]) == (200, "New")


def test_eval_results_appear_in_the_detail(models, create):
    url = f"{MODELS}/{create()['ID']}"
    results = {"accuracy": 0.91, "f1_score": 0.89}
    assert models.put(url, json={"eval_results": results}).json()["eval_results"] == results
    assert models.get(url).json()["model"]["eval_results"] == results


def test_entering_ready_lists_what_others_put_into_the_store(models, bucket, create):
    model = create()
    path = model["storage_path"]
    bucket.put(f"{path}/lora_adapters/x.bin", io.BytesIO(b"abc"))
    bucket.put(f"{path}0/y.bin", io.BytesIO(b"abcd"))
    answer = models.put(f"{MODELS}/{model['ID']}", json={"status": "ready"})
    assert answer.json()["total_size"] == 3
    assert models.get(f"{MODELS}/{model['ID']}").json()["files"] == {"x.bin": 3}


def test_ready_again_does_nothing(models, bucket, ready):
    model = ready({"a": b"1"})
    bucket.put(f"{model['storage_path']}/b", io.BytesIO(b"2"))
    url = f"{MODELS}/{model['ID']}"
    assert models.put(url, json={"status": "ready"}).json()["total_size"] == 1
    models.put(url, json={"status": "uploading"})
    again = models.put(url, json={"status": "ready"})
    assert again.json()["total_size"] == 2
    first, second = models.get(url).json()["model"]["file_list"]
    assert (first["crc32"], second["crc32"]) == ("83dcefb7", None)


@pytest.mark.parametrize(
    ("before", "after", "status"),
    [
        (["error"], "ready", 409),
        (["error"], "uploading", 200),
        (["error"], "error", 200),
        (["ready"], "error", 200),
        (["ready"], "uploading", 200),
        ([], "uploading", 200),
    ],
)
def test_the_life_of_a_model(models, create, before, after, status):
    url = f"{MODELS}/{create()['ID']}"
    for name in before:
        assert models.put(url, json={"status": name, "allow_empty": True}).status_code == 200
    assert models.put(url, json={"status": after}).status_code == status


def test_it_rejects_ready_of_nothing_unless_that_is_meant(models, create):
    url = f"{MODELS}/{create()['ID']}"
    answer = models.put(url, json={"status": "ready"})
    assert (answer.status_code, "allow_empty" in answer.json()["message"]) == (409, True)
    assert models.put(url, json={"status": "ready", "allow_empty": False}).status_code == 409
    assert models.put(url, json={"status": "ready", "allow_empty": "yes"}).status_code == 422
    ready = models.put(url, json={"status": "ready", "allow_empty": True})
    assert (ready.status_code, ready.json()["status"], "allow_empty" in ready.json()) == (200, "ready", False)


def test_what_its_card_says_of_a_ready_model_is_made_anew(models, ready):
    model = ready({"a": b"1"})
    url = f"{MODELS}/{model['ID']}"
    before = models.get(f"{url}/download")
    body = {"name": "Renamed", "training_metrics": {"loss": "NaN"}, "description": "Why"}
    assert models.put(url, json=body).status_code == 200
    after = models.get(f"{url}/download")
    assert after.headers["ETag"] != before.headers["ETag"]
    archive = zipfile.ZipFile(io.BytesIO(after.content))
    card = archive.read(f"{model['ID']}/README.md").decode()
    assert ("# Renamed" in card, "Why" in card) == (True, True)
    assert json.loads(archive.read(f"{model['ID']}/metrics.json")) == {"loss": "NaN"}
    assert models.put(url, json={"eval_results": {"f1": 1}}).status_code == 200
    assert models.get(f"{url}/download").headers["ETag"] == after.headers["ETag"], "of which the card says nothing"


def test_a_record_that_somebody_else_changed_is_not_overwritten(models, create):
    url = f"{MODELS}/{create()['ID']}"
    etag = models.get(url).headers["ETag"]
    assert models.put(url, json={"name": "One"}, headers={"If-Match": etag}).status_code == 200
    stale = models.put(url, json={"name": "Two"}, headers={"If-Match": etag})
    assert (stale.status_code, models.get(url).json()["model"]["name"]) == (412, "One")
    fresh = models.get(url).headers["ETag"]
    changed = models.put(url, json={"name": "Two"}, headers={"If-Match": fresh})
    assert (changed.status_code, changed.headers["ETag"]) == (200, models.get(url).headers["ETag"])
    assert models.put(url, json={"name": "x"}, headers={"If-None-Match": "*"}).status_code == 412


def test_the_adapters_may_lie_flat_in_the_storage_path(models, ready):
    """As PEFT writes them."""
    path = f"flat-{uuid.uuid4().hex}"
    files = {"adapter_config.json": b"{}", "tokenizer_config.json": b"{}", "gguf/m.gguf": b"GGUF"}
    model = ready(files, storage_path=path, lora_adapters_path=path)
    detail = models.get(f"{MODELS}/{model['ID']}").json()
    assert set(detail["files"]) == {"adapter_config.json", "tokenizer_config.json", "m.gguf"}
    assert detail["download_links"]["lora_adapters"] is not None
    archive = zipfile.ZipFile(io.BytesIO(models.get(f"{MODELS}/{model['ID']}/download").content))
    card = archive.read(f"{model['ID']}/README.md").decode()
    assert 'PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(BASE), ".")' in card
    assert 'AutoTokenizer.from_pretrained(".")' in card


def test_training_metrics_have_four_mib(models, create):
    url = f"{MODELS}/{create()['ID']}"
    assert models.put(url, json={"training_metrics": {"loss": "x" * (4 * 2**20 - 100)}}).status_code == 200
    large = models.put(url, json={"training_metrics": {"loss": "x" * 4 * 2**20}})
    assert (large.status_code, list(large.json()["errors"])) == (422, ["training_metrics"])


@one_database
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"training_metrics": {"history": [{"loss": NaN}]}}', "training_metrics.history.0.loss"),
        (b'{"training_metrics": {"loss": -Infinity}}', "training_metrics.loss"),
        (b'\xef\xbb\xbf{"name": "x"}', "byte order mark"),
    ],
)
def test_what_is_no_json_is_named(models, create, body, words):
    headers = {"Content-Type": "application/json"}
    answer = models.put(f"{MODELS}/{create()['ID']}", data=body, headers=headers)
    assert (answer.status_code, words in answer.json()["message"]) == (400, True)


@one_database
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ID", 999),
        ("job_id", 999),
        ("storage_path", "elsewhere"),
        ("created_at", "2024-02-19T10:00:00Z"),
        ("total_size", 1),
        ("nonsense", 1),
        ("name", ""),
        ("gguf_path", "elsewhere/gguf"),
        ("status", "done"),
        ("eval_results", 1),
        ("served_name", None),
    ],
)
def test_it_rejects_a_bad_field(models, create, field, value):
    model = create()
    answer = models.put(f"{MODELS}/{model['ID']}", json={field: value, "description": "changed"})
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])
    assert models.get(f"{MODELS}/{model['ID']}").json()["model"]["description"] == ""


def test_it_rejects_an_unknown_model(models):
    assert models.put(f"{MODELS}/999999", json={}).status_code == 404


def test_several_may_enter_ready_at_once(models, create, upload):
    model = create()
    upload(model["ID"], {f"f{number}": b"x" for number in range(5)})
    url = f"{MODELS}/{model['ID']}"
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: models.put(url, json={"status": "ready"}), range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["total_size"] for answer in answers} == {5}
    assert models.get(f"{url}/files").json()["total"] == 5


def test_it_rejects_ready_while_an_upload_is_under_way(models, create, tables):
    model = create()
    url = f"{MODELS}/{model['ID']}"
    connection = http.client.HTTPConnection(urlsplit(models.url).netloc)
    connection.putrequest("PUT", f"{url}/files/slow")
    connection.putheader("Content-Length", "10")
    connection.endheaders(b"12345")
    with tables(models.running.part.environ["DATABASE_URL"]):
        wait_until(lambda: Hold.select().where(Hold.model_id == model["ID"]).exists())
    answer = models.put(url, json={"status": "ready", "allow_empty": True})
    assert (answer.status_code, "under way" in answer.json()["message"]) == (409, True)
    connection.send(b"67890")
    assert connection.getresponse().status == 200
    connection.close()
    assert models.put(url, json={"status": "ready"}).json()["total_size"] == 10


@on("postgresql")
def test_uploads_and_ready_may_race(models, create, bucket):
    """Whatever wins, the frozen manifest is what the store holds."""
    model = create()
    url = f"{MODELS}/{model['ID']}"
    stop = threading.Event()

    def push(number):
        count = 0
        while not stop.is_set():
            models.put(f"{url}/files/f{number}", data=b"x" * (count % 50))
            count += 1

    with ThreadPoolExecutor(3) as pool:
        for number in range(3):
            pool.submit(push, number)
        for _ in range(60):
            if models.put(url, json={"status": "ready"}).status_code == 200:
                break
        stop.set()
    if models.get(url).json()["model"]["status"] != "ready":
        assert models.put(url, json={"status": "ready"}).status_code == 200
    files = {file["path"]: file["size"] for file in models.get(f"{url}/files").json()["data"]}
    assert files == {found.key.split("/", 1)[1]: found.size for found in bucket.list(f"{model['storage_path']}/")}
    assert models.get(f"{url}/download").status_code in (200, 404)
