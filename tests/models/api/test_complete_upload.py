"""POST /api/v1/models/:id/uploads/:upload_id/complete"""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.support.databases import one_database

MODELS = "/api/v1/models"
MIB = 2**20


def complete(models, model, record, parts):
    return models.post(f"{MODELS}/{model['ID']}/uploads/{record['upload_id']}/complete", json={"parts": parts})


@pytest.fixture
def sent(create, begin, send_parts):
    """A model, an upload of two parts that both came, what completes it, and its content."""
    model, content = create(), os.urandom(16 * MIB + 5)
    record = begin(model, len(content))
    return model, record, send_parts(record, content), content


def test_it_works(models, bucket, sent):
    model, record, parts, content = sent
    answer = complete(models, model, record, parts)
    assert answer.status_code == 200
    assert answer.json() == {"path": "big.bin", "size": len(content), "crc32": None, "sha256": None}
    assert b"".join(bucket.chunks(f"{model['storage_path']}/big.bin")) == content
    detail = models.get(f"{MODELS}/{model['ID']}").json()
    assert (detail["files"], detail["model"]["total_size"]) == ({"big.bin": len(content)}, len(content))


def test_twice_is_as_good_as_once(models, sent):
    model, record, parts, _ = sent
    first = complete(models, model, record, parts)
    assert complete(models, model, record, parts).json() == first.json()
    assert models.put(f"{MODELS}/{model['ID']}", json={"status": "ready"}).status_code == 200
    assert complete(models, model, record, parts).json() == first.json()


def test_several_at_once_all_succeed(models, bucket, sent):
    model, record, parts, content = sent
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: complete(models, model, record, parts), range(6)))
    assert [answer.status_code for answer in answers] == [200] * 6, [answer.text for answer in answers]
    stored = hashlib.sha256(b"".join(bucket.chunks(f"{model['storage_path']}/big.bin"))).hexdigest()
    assert stored == hashlib.sha256(content).hexdigest()
    assert models.get(f"{MODELS}/{model['ID']}").json()["model"]["total_size"] == len(content)


def test_what_was_joined_and_not_recorded_is_recorded(models, bucket, sent, begun_of):
    """As if the service had died in between."""
    model, record, parts, content = sent
    begun = begun_of(model)
    bucket.complete_upload(begun.key, begun.id, [(part["etag"].strip('"'), None) for part in parts])
    assert models.get(f"{MODELS}/{model['ID']}/files").json()["total"] == 0
    assert complete(models, model, record, parts).json()["size"] == len(content)
    assert models.get(f"{MODELS}/{model['ID']}/files").json()["total"] == 1


def _missing(parts):
    return parts[:1]


def _reordered(parts):
    return parts[::-1]


def _twice(parts):
    return [parts[0], *parts]


def _too_many(parts):
    return [*parts, {"number": 3, "etag": "0" * 32}]


def _foreign(parts):
    return [parts[0], {"number": 2, "etag": parts[0]["etag"]}]


@pytest.mark.parametrize("wrong", [_missing, _reordered, _twice, _too_many, _foreign])
def test_it_rejects_wrong_parts_and_takes_the_right_ones_then(models, bucket, sent, wrong):
    model, record, parts, content = sent
    answer = complete(models, model, record, wrong(parts))
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["parts"])
    assert list(bucket.list(f"{model['storage_path']}/")) == []
    assert complete(models, model, record, parts).json()["size"] == len(content)


def test_it_rejects_a_part_that_did_not_come_or_has_not_its_size(models, create, begin, send_parts):
    model, content = create(), bytes(20 * MIB)
    record = begin(model, len(content))
    [first] = send_parts({**record, "parts": record["parts"][:1]}, content)
    etag = requests.put(record["parts"][1]["url"], data=b"short", timeout=10).headers["ETag"]
    for second, problem in (("0" * 32, "No part 2 came"), (etag, "5 bytes, not 4194304")):
        answer = complete(models, model, record, [first, {"number": 2, "etag": second}])
        assert (answer.status_code, problem in answer.json()["message"]) == (422, True)
    [second] = send_parts({**record, "parts": record["parts"][1:]}, content)
    assert complete(models, model, record, [first, second]).status_code == 200


@one_database
@pytest.mark.parametrize(
    "parts",
    [
        None,
        [],
        [{"number": 0, "etag": "a"}],
        [{"number": 10_001, "etag": "a"}],
        [{"number": 1}],
        [{"number": 1, "etag": ""}],
    ]
    + [[{"number": number, "etag": "a"} for number in range(1, 10_002)]],
)
def test_it_rejects_what_names_no_parts(models, create, begin, parts):
    model = create()
    answer = complete(models, model, begin(model, 5), parts)
    assert answer.status_code == 422
    assert all(name.split(".")[0] == "parts" for name in answer.json()["errors"])


def test_of_a_part_that_was_sent_twice_the_etag_picks_one(models, bucket, create, begin, send_parts, begun_of):
    model = create()
    record = begin(model, 3)
    contents = b"one", b"two"
    sent = [send_parts(record, content) for content in contents]
    now = models.get(f"{MODELS}/{model['ID']}/uploads/{record['upload_id']}").json()
    assert (len(now["uploaded"]), now["parts"]) == (1, [])
    # SeaweedFS has both, other stores the last one only: then there is nothing that the first one's etag could pick.
    begun = begun_of(model)
    there = {part.etag for part in bucket.list_parts(begun.key, begun.id)}
    picked = next(number for number, [part] in enumerate(sent) if part["etag"].strip('"') in there)
    assert complete(models, model, record, sent[picked]).status_code == 200
    assert b"".join(bucket.chunks(f"{model['storage_path']}/big.bin")) == contents[picked]


def test_the_last_one_wins(models, bucket, create, begin, send_parts):
    model = create()
    url = f"{MODELS}/{model['ID']}"
    records = [begin(model, size) for size in (3, 4)]
    parts = [send_parts(record, content) for record, content in zip(records, (b"one", b"four"), strict=True)]
    assert complete(models, model, records[1], parts[1]).json()["size"] == 4
    assert complete(models, model, records[0], parts[0]).json()["size"] == 3
    assert b"".join(bucket.chunks(f"{model['storage_path']}/big.bin")) == b"one"
    assert models.get(url).json()["model"]["total_size"] == 3
    assert complete(models, model, records[1], parts[1]).status_code == 409
    assert models.put(f"{url}/files/big.bin", data=b"fresh").status_code == 200
    assert complete(models, model, records[0], parts[0]).status_code == 409
    assert b"".join(bucket.chunks(f"{model['storage_path']}/big.bin")) == b"fresh"


def test_a_part_that_comes_late_changes_nothing(models, bucket, sent):
    model, record, parts, content = sent
    complete(models, model, record, parts)
    assert requests.put(record["parts"][0]["url"], data=b"late", timeout=10).status_code == 404
    assert b"".join(bucket.chunks(f"{model['storage_path']}/big.bin")) == content


def test_it_rejects_an_upload_that_was_deleted_or_never_was(models, sent):
    model, record, parts, _ = sent
    models.delete(f"{MODELS}/{model['ID']}/uploads/{record['upload_id']}")
    assert complete(models, model, record, parts).status_code == 404
    assert complete(models, {"ID": 999_999}, record, parts).status_code == 404


def test_it_rejects_what_the_store_lost(models, bucket, sent, begun_of):
    model, record, parts, _ = sent
    begun = begun_of(model)
    bucket.abort_upload(begun.key, begun.id)
    answer = complete(models, model, record, parts)
    assert (answer.status_code, "begin another" in answer.json()["message"]) == (409, True)


def test_it_rejects_a_path_that_clashes_by_now(models, create, begin, send_parts):
    model = create()
    record = begin(model, 3)
    assert models.put(f"{MODELS}/{model['ID']}/files/BIG.bin", data=b"x").status_code == 200
    assert complete(models, model, record, send_parts(record, b"one")).status_code == 409


@pytest.mark.faults
def test_while_the_store_is_away_nothing_is_lost(own, store_server, send_parts):
    model = own.model()
    headers = {"X-Forwarded-Proto": "http", "Host": store_server.endpoint.removeprefix("http://")}
    record = own.call("POST", f"/{model['ID']}/uploads", json={"path": "a", "size": 3}, headers=headers).json()
    body = {"parts": send_parts(record, b"one")}
    path = f"/{model['ID']}/uploads/{record['upload_id']}/complete"
    own.pipe.cut()
    answer = own.call("POST", path, json=body)
    own.pipe.mend()
    assert (answer.status_code, bool(answer.headers["Retry-After"])) == (503, True)
    assert own.call("POST", path, json=body).json()["size"] == 3
