"""GET /api/v1/models/:id/files"""

import pytest

from tests.support.databases import one_database

MODELS = "/api/v1/models"


def test_it_works(models, ready):
    model = ready({"b": b"12", "a/c": b"3", "B2": b""})
    answer = models.get(f"{MODELS}/{model['ID']}/files")
    page = answer.json()
    assert (page["total"], page["page"], page["limit"]) == (3, 1, 10)
    assert [(file["path"], file["size"]) for file in page["data"]] == [("B2", 0), ("a/c", 1), ("b", 2)]
    assert page["data"][0]["crc32"] == "00000000"
    assert "X-Amz-Signature=" in page["data"][0]["url"]
    assert answer.headers["Cache-Control"] == "no-store"


def test_it_pages(models, ready):
    model = ready({f"f{number}": b"x" for number in range(5)})
    page = models.get(f"{MODELS}/{model['ID']}/files", params={"page": 3, "limit": 2}).json()
    assert ([file["path"] for file in page["data"]], page["total"]) == (["f4"], 5)


@one_database
@pytest.mark.parametrize(("name", "value"), [("page", "0"), ("limit", "101"), ("limit", "x")])
def test_it_rejects_a_bad_query(models, create, name, value):
    answer = models.get(f"{MODELS}/{create()['ID']}/files", params={name: value})
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [name])


def test_it_rejects_an_unknown_model(models):
    assert models.get(f"{MODELS}/999999/files").status_code == 404
