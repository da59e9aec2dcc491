"""GET /api/v1/models/:id/download"""

import hashlib
import io
import json
import zipfile
from datetime import datetime

import pytest
import requests

from tests.support.databases import one_database

MODELS = "/api/v1/models"
FILES = {
    "lora_adapters/adapter_model.bin": bytes(range(256)) * 3000,
    "lora_adapters/adapter_config.json": b"{}",
    "gguf/model-q4_k_m.gguf": b"PK\x03\x04PK\x07\x08" * 50_000,
    "empty": b"",
}


def unpack(answer):
    assert answer.status_code == 200, answer.text
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    return {info.filename: archive.read(info) for info in archive.infolist()}


def test_it_works(models, ready):
    model = ready(FILES, name="Größe | zwei")
    answer = models.get(f"{MODELS}/{model['ID']}/download")
    day = datetime.fromisoformat(model["created_at"]).strftime("%Y%m%d")
    name = f"attachment; filename=model-{model['ID']}-{day}.zip"
    assert answer.headers["Content-Type"] == "application/zip"
    assert answer.headers["Content-Disposition"] == name
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert "Content-Length" not in answer.headers
    root = f"{model['ID']}/"
    unpacked = {path.removeprefix(root): content for path, content in unpack(answer).items()}
    made = {name: unpacked.pop(name) for name in ("metrics.json", "README.md", "SHA256SUMS")}
    assert unpacked == FILES
    assert json.loads(made["metrics.json"]) == {}
    assert "Größe | zwei" in made["README.md"].decode()
    assert "PeftModel" in made["README.md"].decode()
    sums = dict(reversed(line.split("  ")) for line in made["SHA256SUMS"].decode().splitlines())
    contents = {**FILES, **{name: made[name] for name in ("metrics.json", "README.md")}}
    assert sums == {path: hashlib.sha256(content).hexdigest() for path, content in contents.items()}


def test_it_is_the_same_every_time(models, ready):
    url = f"{MODELS}/{ready(FILES)['ID']}/download"
    assert models.get(url).content == models.get(url).content
    infos = zipfile.ZipFile(io.BytesIO(models.get(url).content)).infolist()
    assert {info.compress_type for info in infos} == {zipfile.ZIP_STORED}


def test_what_the_store_has_is_not_made(models, ready):
    files = {"readme.md": b"mine", "metrics.json": b"[]", "SHA256SUMS": b"none", "x": b"x"}
    model = ready(files)
    unpacked = unpack(models.get(f"{MODELS}/{model['ID']}/download"))
    assert unpacked == {f"{model['ID']}/{path}": content for path, content in files.items()}


def test_there_are_no_sums_before_all_checksums_are_known(models, bucket, create):
    path = create()["storage_path"]
    bucket.put(f"{path}/x", io.BytesIO(b"x"))
    model = create(storage_path=path, status="ready")
    root = f"{model['ID']}/"
    unpacked = unpack(models.get(f"{MODELS}/{model['ID']}/download"))
    assert set(unpacked) == {f"{root}x", f"{root}metrics.json", f"{root}README.md"}


def test_names_that_cannot_be_unpacked_are_encoded(models, bucket, create):
    path = create()["storage_path"]
    for name in ("a:b", "CON", "trailing.", "A.bin", "a.bin", "x%y"):
        bucket.put(f"{path}/{name}", io.BytesIO(b"x"))
    model = create(storage_path=path, status="ready")
    unpacked = unpack(models.get(f"{MODELS}/{model['ID']}/download"))
    names = {name.split("/", 1)[1] for name in unpacked} - {"metrics.json", "README.md"}
    assert names == {"a%3Ab", "%43ON", "trailing%2E", "A.bin", "a.bin~2", "x%y"}


def test_include_limits_it(models, ready):
    model = ready({**FILES, "lora_adapters2/x": b"x"})
    url = f"{MODELS}/{model['ID']}/download"
    assert sorted(unpack(models.get(url, params={"include": "lora_adapters"}))) == [
        f"{model['ID']}/lora_adapters/adapter_config.json",
        f"{model['ID']}/lora_adapters/adapter_model.bin",
    ]
    assert list(unpack(models.get(url, params={"include": "README.md"}))) == [f"{model['ID']}/README.md"]
    assert models.get(url, params={"include": "lora"}).status_code == 404


@one_database
@pytest.mark.parametrize("include", ["", "/", "../2", "lora_adapters/", "a//b", "a\\b", "a\0"])
def test_it_rejects_an_odd_include(models, ready, include):
    answer = models.get(f"{MODELS}/{ready(FILES)['ID']}/download", params={"include": include})
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["include.0"])


def test_head_has_the_headers_and_reads_nothing(own):
    model = own.model()
    own.call("PUT", f"/{model['ID']}/files/a", data=b"x")
    own.call("PUT", f"/{model['ID']}", json={"status": "ready"})
    got = own.call("GET", f"/{model['ID']}/download")
    own.pipe.cut()
    head = own.call("HEAD", f"/{model['ID']}/download")
    differing = {"Date", "X-Request-ID", "Transfer-Encoding"}
    assert head.status_code == 200
    assert {name: value for name, value in head.headers.items() if name not in differing} == {
        name: value for name, value in got.headers.items() if name not in differing
    }


def test_it_rejects_a_model_that_is_not_ready(models, create, upload):
    model = create()
    upload(model["ID"], {"a": b"1"})
    assert models.get(f"{MODELS}/{model['ID']}/download").status_code == 409


def test_it_rejects_a_model_without_files(models, create):
    assert models.get(f"{MODELS}/{create(status='ready')['ID']}/download").status_code == 404
    assert models.get(f"{MODELS}/999999/download").status_code == 404


@pytest.mark.parametrize("content", [b"", b"some"])
def test_it_rejects_a_first_file_that_is_gone_or_another(models, bucket, ready, content):
    model = ready({"a": content, "b": b"2"})
    key = f"{model['storage_path']}/a"
    bucket.remove(key)
    assert models.get(f"{MODELS}/{model['ID']}/download").status_code == 409
    bucket.put(key, io.BytesIO(b"other"))
    assert models.get(f"{MODELS}/{model['ID']}/download").status_code == 409
    assert models.head(f"{MODELS}/{model['ID']}/download").status_code == 200


def test_it_breaks_off_where_a_later_file_is_gone(models, bucket, ready):
    model = ready({"a": b"1", "b": b"2"})
    bucket.remove(f"{model['storage_path']}/b")
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)):
        models.get(f"{MODELS}/{model['ID']}/download")
