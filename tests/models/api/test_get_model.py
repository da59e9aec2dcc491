"""GET /api/v1/models/:id"""

import io
import json
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import requests

MODELS = "/api/v1/models"
FILES = {
    "lora_adapters/adapter_model.bin": b"weights",
    "lora_adapters/adapter_config.json": b"{}",
    "gguf/model-q4_k_m.gguf": b"GGUF",
    "notes.txt": b"n",
}


def test_it_works(models, ready):
    model = ready(FILES)
    answer = models.get(f"{MODELS}/{model['ID']}")
    detail = answer.json()
    named = {"adapter_model.bin": 7, "adapter_config.json": 2, "model-q4_k_m.gguf": 4, "notes.txt": 1}
    assert detail["files"] == detail["model"]["files"] == named
    assert detail["model"]["total_size"] == 14
    assert detail["model"]["job"] is None
    assert detail["model"]["eval_results"] is None
    assert [file["path"] for file in detail["model"]["file_list"]] == sorted(FILES)
    assert set(detail["model"]["file_list"][0]) == {"path", "size", "crc32", "sha256", "error", "url"}
    assert answer.headers["Cache-Control"] == "no-store"
    assert model.items() <= detail["model"].items()


def test_names_that_would_be_shared_keep_their_path(models, ready):
    model = ready({"lora_adapters/a.bin": b"1", "gguf/a.bin": b"22", "gguf/b": b"333"})
    named = {"lora_adapters/a.bin": 1, "gguf/a.bin": 2, "b": 3}
    assert models.get(f"{MODELS}/{model['ID']}").json()["files"] == named


def reached_by(bucket):
    """The headers of a request that came through a gateway at the store's own address."""
    return {"X-Forwarded-Proto": "http", "Host": bucket.client._base_url.host}


def test_its_links_open(models, bucket, ready):
    model = ready({**FILES, "gguf/ä b+c%.gguf": b"GGUF2"})
    url = f"{MODELS}/{model['ID']}"
    detail = models.get(url, headers=reached_by(bucket)).json()
    for file in detail["model"]["file_list"]:
        got = requests.get(file["url"], timeout=10)
        assert (got.status_code, len(got.content)) == (200, file["size"]), got.text
        assert "attachment" in got.headers["Content-Disposition"]
        assert requests.get(file["url"].replace("attachment", "inline"), timeout=10).status_code == 403
        assert "%3B" not in file["url"], "which llama.cpp makes a semicolon, and Go reads as a broken query"
    base = f"http://{bucket.client._base_url.host}"
    archive = models.head(f"{url}/download").headers["Content-Location"]
    assert detail["download_links"]["archive"] == f"{base}{archive}"
    assert detail["download_links"]["gguf"] == f"{base}{archive}?include=gguf"


def test_until_the_checksums_are_known_there_is_no_link_to_the_archive(models, bucket, create):
    path = create()["storage_path"]
    for name in ("gguf/a", "gguf/b"):
        bucket.put(f"{path}/{name}", io.BytesIO(b"x"))
    url = f"{MODELS}/{create(storage_path=path, status='ready')['ID']}"
    links = models.get(url).json()["download_links"]
    assert (links["archive"], links["gguf"].partition("/download")[2]) == (None, "?include=gguf")


def test_links_are_made_without_asking_anybody(own):
    model = own.model(job_id=1)
    own.call("PUT", f"/{model['ID']}/files/gguf/m", data=b"GGUF")
    own.call("PUT", f"/{model['ID']}", json={"status": "ready"})
    own.pipe.cut()
    detail = own.call("GET", f"/{model['ID']}").json()
    listed = own.call("GET", f"/{model['ID']}/files").json()["data"]
    assert "X-Amz-Signature" in detail["download_links"]["gguf"]
    assert "X-Amz-Signature" in listed[0]["url"]


def test_a_folder_of_one_file_is_the_file_and_an_empty_one_is_null(models, bucket, ready):
    model = ready({"gguf/m.gguf": b"GGUF"})
    links = models.get(f"{MODELS}/{model['ID']}", headers=reached_by(bucket)).json()["download_links"]
    assert links["lora_adapters"] is None
    assert requests.get(links["gguf"], timeout=10).content == b"GGUF"


def test_a_folder_of_several_files_is_their_zip(models, ready):
    model = ready(FILES)
    headers = {"X-Forwarded-Proto": "http", "Host": models.url.removeprefix("http://")}
    link = models.get(f"{MODELS}/{model['ID']}", headers=headers).json()["download_links"]["lora_adapters"]
    archive = zipfile.ZipFile(io.BytesIO(requests.get(link, timeout=10).content))
    root = f"{model['ID']}/lora_adapters"
    assert archive.namelist() == [f"{root}/adapter_config.json", f"{root}/adapter_model.bin"]


@pytest.mark.parametrize(
    ("headers", "base"),
    [
        ({"X-Forwarded-Proto": "https", "Host": "tuned.example:8443"}, "https://tuned.example:8443/"),
        ({"X-Forwarded-Proto": "http", "Host": "[::1]:8080"}, "http://[::1]:8080/"),
        ({"Host": "evil.example"}, "http://gateway.test:8080/"),
        ({"X-Forwarded-Proto": "javascript", "Host": "x"}, "http://gateway.test:8080/"),
        ({"X-Forwarded-Proto": "http", "Host": "a/b?c"}, "http://gateway.test:8080/"),
    ],
)
def test_links_carry_the_address_of_the_gateway(own, headers, base):
    model = own.model()
    own.call("PUT", f"/{model['ID']}/files/f", data=b"x")
    answer = own.call("GET", f"/{model['ID']}", headers=headers)
    if answer.status_code == 200:  # gunicorn itself refuses some hosts
        assert answer.json()["model"]["file_list"][0]["url"].startswith(base)


def test_it_shows_the_job(own):
    """The logs service's record as it is; here the answer of one that listens where ours is told to ask."""
    record = {"ID": 5, "dataset_id": 1, "status": "completed", "configuration": {"epochs": 5}}

    class Logs(BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps(record).encode()
            self.send_response(200 if self.path == "/api/v1/jobs/5" else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    known, unknown = own.model(job_id=5), own.model(job_id=6)
    server = HTTPServer(("127.0.0.1", int(own.environ["LOGS_URL"].rsplit(":", 1)[1])), Logs)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        assert own.call("GET", f"/{known['ID']}").json()["model"]["job"] == record
        assert own.call("GET", f"/{unknown['ID']}").json()["model"]["job"] is None
    finally:
        server.shutdown()
        server.server_close()
    assert own.call("GET", f"/{known['ID']}").json()["model"]["job"] is None


@pytest.mark.parametrize("model_id", ["0", "999999", "x", "9223372036854775808", "٣", "1_0"])
def test_it_rejects_what_there_is_not(models, model_id):
    answer = models.get(f"{MODELS}/{model_id}")
    assert (answer.status_code, answer.json()["code"]) == (404, 404)
