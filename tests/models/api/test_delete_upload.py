"""DELETE /api/v1/models/:id/uploads/:upload_id"""

import requests

MODELS = "/api/v1/models"


def open_keys(bucket):
    return [found.key for found in bucket.list_uploads()]


def test_it_works(models, bucket, create, begin, send_parts):
    model = create()
    record = begin(model, 3)
    send_parts(record, b"abc")
    key = f"{model['storage_path']}/big.bin"
    assert key in open_keys(bucket)
    url = f"{MODELS}/{model['ID']}/uploads/{record['upload_id']}"
    answer = models.delete(url)
    assert (answer.status_code, answer.json()) == (200, {"message": "Upload deleted successfully"})
    assert key not in open_keys(bucket)
    assert models.delete(url).status_code == 404
    assert requests.put(record["parts"][0]["url"], data=b"abc", timeout=10).status_code == 404


def test_it_rejects_one_that_is_completed(models, create, begin, send_parts):
    model = create()
    record = begin(model, 3)
    url = f"{MODELS}/{model['ID']}/uploads/{record['upload_id']}"
    models.post(f"{url}/complete", json={"parts": send_parts(record, b"abc")})
    assert models.delete(url).status_code == 409
    assert models.get(f"{MODELS}/{model['ID']}/files").json()["total"] == 1
