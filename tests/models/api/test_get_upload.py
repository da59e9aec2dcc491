"""GET /api/v1/models/:id/uploads, GET /api/v1/models/:id/uploads/:upload_id"""

import os
from urllib.parse import urlsplit

import requests

MODELS = "/api/v1/models"
MIB = 2**20


def test_it_works(models, create, begin, send_parts):
    """What came need not be sent again, also by a sender who remembers nothing but the upload."""
    model, content = create(), os.urandom(33 * MIB)
    record = begin(model, len(content))
    sent = send_parts({**record, "parts": record["parts"][1:2]}, content)
    address = urlsplit(record["parts"][0]["url"])
    headers = {"X-Forwarded-Proto": "http", "Host": address.netloc}
    url = f"{MODELS}/{model['ID']}/uploads/{record['upload_id']}"
    answer = models.get(url, headers=headers)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    now = answer.json()
    assert now["expires_at"] >= record["expires_at"]
    assert [part["number"] for part in now["parts"]] == [1, 3]
    assert now["uploaded"] == [{"number": 2, "etag": sent[0]["etag"].strip('"')}]
    parts = sorted([*send_parts(now, content), *now["uploaded"]], key=lambda part: part["number"])
    assert models.post(f"{url}/complete", json={"parts": parts}).json()["size"] == len(content)
    done = models.get(url).json()
    assert (done["status"], done["parts"], done["uploaded"]) == ("completed", [], [])


def test_a_part_of_the_wrong_size_is_missing(models, create, begin):
    model = create()
    record = begin(model, 20 * MIB)
    requests.put(record["parts"][1]["url"], data=b"short", timeout=10)
    now = models.get(f"{MODELS}/{model['ID']}/uploads/{record['upload_id']}").json()
    assert [part["number"] for part in now["parts"]] == [1, 2]


def test_the_list_has_the_model_s_own(models, create, begin):
    model, other = create(), create()
    ids = [begin(model, 5, path)["upload_id"] for path in ("a", "b")]
    begin(other, 5)
    url = f"{MODELS}/{model['ID']}/uploads"
    listed = models.get(url).json()
    assert (listed["total"], [upload["upload_id"] for upload in listed["data"]]) == (2, ids[::-1])
    assert [upload["path"] for upload in models.get(url, params={"limit": 1, "page": 2}).json()["data"]] == ["a"]


def test_it_rejects_an_unknown_upload(models, create, begin):
    model, other = create(), create()
    record = begin(model, 5)
    for url in (f"{other['ID']}/uploads/{record['upload_id']}", f"{model['ID']}/uploads/999999", "999999/uploads"):
        assert models.get(f"{MODELS}/{url}").status_code == 404
