"""GET /api/v1/models/:id/files/:path"""

from urllib.parse import urlsplit

import pytest
import requests

from tests.support.databases import one_database

MODELS = "/api/v1/models"


def test_it_works(models, ready, store_server):
    model = ready({"gguf/größe.gguf": b"GGUF"})
    headers = {"X-Forwarded-Proto": "http", "Host": urlsplit(store_server.endpoint).netloc}
    answer = models.get(f"{MODELS}/{model['ID']}/files/gguf/größe.gguf", headers=headers, allow_redirects=False)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (302, "no-store")
    assert requests.get(answer.headers["Location"], timeout=10).content == b"GGUF"
    head = models.head(f"{MODELS}/{model['ID']}/files/gguf/größe.gguf", headers=headers, allow_redirects=False)
    assert head.status_code == 302


@one_database
@pytest.mark.parametrize(("path", "status"), [("b", 404), ("a/b", 404), ("a%2F..", 404), ("%00", 404)])
def test_it_rejects_what_is_not_there(models, ready, path, status):
    answer = models.get(f"{MODELS}/{ready({'a': b'1'})['ID']}/files/{path}", allow_redirects=False)
    assert answer.status_code == status
