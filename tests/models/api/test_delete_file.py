"""DELETE /api/v1/models/:id/files/<path>"""

import io

MODELS = "/api/v1/models"


def test_it_works(models, bucket, create, upload):
    model = create()
    upload(model["ID"], {"a/b": b"123", "c": b"4"})
    url = f"{MODELS}/{model['ID']}/files/a/b"
    answer = models.delete(url)
    assert (answer.status_code, answer.json()) == (200, {"message": "File deleted successfully"})
    assert models.delete(url).status_code == 404
    assert [found.key for found in bucket.list(f"{model['storage_path']}/")] == [f"{model['storage_path']}/c"]
    detail = models.get(f"{MODELS}/{model['ID']}").json()
    assert (detail["files"], detail["model"]["total_size"]) == ({"c": 1}, 1)


def test_it_removes_what_others_put_into_the_store(models, bucket, create):
    model = create()
    bucket.put(f"{model['storage_path']}/x", io.BytesIO(b"x"))
    assert models.delete(f"{MODELS}/{model['ID']}/files/x").status_code == 200
    assert list(bucket.list(f"{model['storage_path']}/")) == []


def test_it_rejects_what_there_is_not(models, create):
    assert models.delete(f"{MODELS}/{create()['ID']}/files/x").status_code == 404
    assert models.delete(f"{MODELS}/999999/files/x").status_code == 404
