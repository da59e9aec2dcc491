"""PUT /api/v1/models/:id/files/<path>"""

import base64
import hashlib
import http.client
import io
import os
import select
import socket
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from urllib.parse import quote, urlsplit

import pytest
import requests

from tests.support.databases import one_database

MODELS = "/api/v1/models"
LIMIT = 500 * 2**20


class Zeros(io.RawIOBase):
    """So many zero bytes, without holding them."""

    def __init__(self, size):
        self._left = size

    def __len__(self):
        return self._left

    def read(self, size=-1):
        size = min(self._left, size if size >= 0 else self._left)
        self._left -= size
        return bytes(size)


def names(models, model):
    files = models.get(f"{MODELS}/{model['ID']}/files", params={"limit": 100}).json()["data"]
    return [file["path"] for file in files]


def raw(models, head, body, *, ends):
    """Send bytes as they are and return the status, 0 where there is none; ``ends`` closes our side first."""
    host, port = urlsplit(models.url).netloc.split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(head.encode() + b"\r\nHost: localhost\r\n\r\n" + body)
        if ends:
            connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(65536)
        return int(answer.split()[1]) if answer else 0


def test_it_works(models, bucket, create):
    model = create()
    content = b"hello" * 1000
    answer = models.put(f"{MODELS}/{model['ID']}/files/lora_adapters/a%20b.bin", data=content)
    assert answer.status_code == 200
    assert answer.json() == {
        "path": "lora_adapters/a b.bin",
        "size": 5000,
        "crc32": f"{zlib.crc32(content):08x}",
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    key = f"{model['storage_path']}/lora_adapters/a b.bin"
    assert b"".join(bucket.chunks(key)) == content
    detail = models.get(f"{MODELS}/{model['ID']}").json()
    assert (detail["files"], detail["model"]["total_size"]) == ({"a b.bin": 5000}, 5000)


def test_it_replaces_a_file(models, bucket, create):
    model = create()
    url = f"{MODELS}/{model['ID']}/files/a"
    models.put(url, data=b"first")
    assert models.put(url, data=b"2nd").json()["size"] == 3
    assert models.get(f"{MODELS}/{model['ID']}").json()["model"]["total_size"] == 3
    assert b"".join(bucket.chunks(f"{model['storage_path']}/a")) == b"2nd"


def test_it_takes_chunked_and_empty_bodies(models, create):
    url = f"{MODELS}/{create()['ID']}/files"
    chunks = [os.urandom(size) for size in (17 * 2**20, 1, 1_000_000)]  # the first larger than a part for S3
    answer = models.put(f"{url}/chunked", data=iter(chunks)).json()
    assert (answer["size"], answer["sha256"]) == (18_825_793, hashlib.sha256(b"".join(chunks)).hexdigest())
    assert models.put(f"{url}/empty", data=b"").json()["size"] == 0


@pytest.mark.faults
@pytest.mark.parametrize(
    "database_kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.soak)], indirect=True, scope="session"
)
def test_it_takes_500_mib_and_no_byte_more(models, create):
    model = create()
    url = f"{MODELS}/{model['ID']}/files"
    exact = models.put(f"{url}/exact", data=Zeros(LIMIT), timeout=300)
    assert (exact.status_code, exact.json()["size"]) == (200, LIMIT)
    models.delete(f"{url}/exact")
    chunks = (bytes(2**20) for _ in range(501))
    # The service hangs up on what it no longer reads, so the client may not get to see its answer.
    with suppress(OSError):
        assert models.put(f"{url}/more", data=chunks, timeout=300).status_code == 413
    assert names(models, model) == []


def test_it_rejects_by_the_declared_length_at_once(models, create):
    url = f"{MODELS}/{create()['ID']}/files/big"
    connection = http.client.HTTPConnection(urlsplit(models.url).netloc)
    connection.putrequest("PUT", url)
    connection.putheader("Content-Length", str(LIMIT + 1))
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("Connection")) == (413, "close")
    connection.close()


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ("Content-Length: 10", b"12345"),
        ("Transfer-Encoding: chunked", b"5\r\n12345\r\n"),
        ("Transfer-Encoding: chunked", b"5\r\n12345\r\nzz\r\n"),
    ],
)
def test_a_body_that_breaks_off_is_not_stored(models, bucket, create, headers, body):
    model = create()
    status = raw(models, f"PUT {MODELS}/{model['ID']}/files/a HTTP/1.1\r\n{headers}", body, ends=True)
    assert status in (0, 400)
    assert names(models, model) == []
    assert list(bucket.list(f"{model['storage_path']}/")) == []


def test_a_large_body_that_breaks_off_leaves_no_parts_behind(models, bucket, create):
    model = create()
    head = f"PUT {MODELS}/{model['ID']}/files/a HTTP/1.1\r\nContent-Length: {50 * 2**20}"
    assert raw(models, head, bytes(40 * 2**20), ends=True) in (0, 400)
    assert [found for found in bucket.list_uploads() if found.key.startswith(f"{model['storage_path']}/")] == []
    assert list(bucket.list(f"{model['storage_path']}/")) == []


def test_checksums_are_verified(models, create):
    url = f"{MODELS}/{create()['ID']}/files"
    md5 = base64.b64encode(hashlib.md5(b"x").digest()).decode()
    sha256 = hashlib.sha256(b"x").hexdigest()
    assert models.put(f"{url}/a", data=b"x", headers={"Content-MD5": md5}).status_code == 200
    assert models.put(f"{url}/a", data=b"x", headers={"x-checksum-sha256": sha256.upper()}).status_code == 200


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Content-MD5", base64.b64encode(bytes(16)).decode()),
        ("Content-MD5", "nonsense"),
        ("x-checksum-sha256", "0" * 64),
        ("x-checksum-sha256", "nonsense"),
    ],
)
@pytest.mark.parametrize("size", [1, 20 * 2**20])
def test_it_rejects_a_wrong_checksum(models, bucket, create, header, value, size):
    model = create()
    answer = models.put(f"{MODELS}/{model['ID']}/files/a", data=b"x" * size, headers={header: value})
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [header])
    assert list(bucket.list(f"{model['storage_path']}/")) == []
    assert names(models, model) == []


@one_database
@pytest.mark.parametrize(
    "path",
    ["", "/x", "a//b", "x/", ".", "..", "a/../b", "a\\b", "C:x", "a\0", "a\n", "a<b", "a*", "a?", 'a"', "a|b"]
    + ["CON", "a/nul.txt", "Com1", "a.", "a ", "x" * 256, "ä" * 128, "/".join(["x" * 200] * 6), "\x7f"],
)
def test_it_rejects_a_bad_path(models, create, path):
    model = create()
    escaped = quote(path, safe="").replace(".", "%2E")
    status = raw(models, f"PUT {MODELS}/{model['ID']}/files/{escaped} HTTP/1.1\r\nContent-Length: 1", b"x", ends=False)
    assert status == 422
    answer = models.delete(f"{MODELS}/{model['ID']}/files/{escaped}")
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["path"])
    assert names(models, model) == []


@one_database
@pytest.mark.parametrize("target", ["%ff", "%2e%2e%2fx", "a//b", "%00"])
def test_it_rejects_a_bad_path_as_it_came(models, create, target):
    model = create()
    head = f"PUT {MODELS}/{model['ID']}/files/{target} HTTP/1.1\r\nContent-Length: 1"
    assert raw(models, head, b"x", ends=False) == 422


@pytest.mark.parametrize(
    ("there", "sent"),
    [("A.bin", "a.bin"), ("a", "a/b"), ("a/b", "a"), ("a/b", "A"), ("d/ß", "d/SS")],
)
def test_it_rejects_a_name_that_clashes(models, create, there, sent):
    model = create()
    url = f"{MODELS}/{model['ID']}/files"
    assert models.put(f"{url}/{quote(there)}", data=b"x").status_code == 200
    assert models.put(f"{url}/{quote(sent)}", data=b"x").status_code == 409
    assert names(models, model) == [there]


def test_both_spellings_of_a_name_are_one_file(models, create, ready):
    """As a Mac sends it, decomposed (NFD), and as everybody else does: it is kept composed."""
    composed, decomposed = "gguf/é.bin", "gguf/e\u0301.bin"
    model = create()
    url = f"{MODELS}/{model['ID']}/files"
    for spelling, content in ((composed, b"one"), (decomposed, b"two"), (composed, b"three")):
        assert models.put(f"{url}/{quote(spelling)}", data=content).json()["path"] == composed
    assert names(models, model) == [composed]
    assert models.put(f"{MODELS}/{model['ID']}", json={"status": "ready"}).status_code == 200
    for spelling in (composed, decomposed):
        for params in ({"include": spelling}, {"include": "gguf", "exclude": spelling}):
            answer = models.get(f"{MODELS}/{model['ID']}/download", params=params)
            assert answer.status_code == (404 if "exclude" in params else 200)
        assert models.get(f"{url}/{quote(spelling)}", allow_redirects=False).status_code == 302
    models.put(f"{MODELS}/{model['ID']}", json={"status": "uploading"})
    assert models.delete(f"{url}/{quote(decomposed)}").status_code == 200
    assert names(models, model) == []


def test_names_that_only_look_alike_do_not_clash(models, create):
    model = create()
    url = f"{MODELS}/{model['ID']}/files"
    for path in ("a/b", "a0", "a.txt", "ab/c", "%2525", "a_b", "b"):
        assert models.put(f"{url}/{path}", data=b"x").status_code == 200
    assert names(models, model) == sorted(["a/b", "a0", "a.txt", "ab/c", "%25", "a_b", "b"])


def test_it_rejects_a_model_that_is_ready(models, bucket, ready):
    model = ready({"a": b"1"})
    url = f"{MODELS}/{model['ID']}/files/a"
    assert models.put(url, data=b"2").status_code == 409
    assert models.delete(url).status_code == 409
    assert b"".join(bucket.chunks(f"{model['storage_path']}/a")) == b"1"


def test_it_rejects_what_is_frozen_for_another_model(models, ready, create):
    model = ready({"d/a": b"1"})
    for path, name in ((model["storage_path"], "d/a"), (f"{model['storage_path']}/d", "a")):
        other = create(storage_path=path)
        url = f"{MODELS}/{other['ID']}/files"
        assert models.put(f"{url}/{name}", data=b"2").status_code == 409
        assert models.delete(f"{url}/{name}").status_code == 409
        assert models.put(f"{url}/new-{other['ID']}", data=b"2").status_code == 200


def test_it_takes_files_after_an_error(models, create):
    model = create(status="error")
    assert models.put(f"{MODELS}/{model['ID']}/files/a", data=b"1").status_code == 200


def test_it_rejects_an_unknown_model(models):
    assert models.put(f"{MODELS}/999999/files/a", data=b"1").status_code == 404


def test_two_uploads_of_one_path_leave_one_of_them_whole(models, bucket, create):
    model = create()
    url = f"{MODELS}/{model['ID']}/files/a"
    bodies = [bytes([number]) * (100_000 + number) for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda body: models.put(url, data=body), bodies))
    assert {answer.status_code for answer in answers} == {200}
    stored = b"".join(bucket.chunks(f"{model['storage_path']}/a"))
    [record] = models.get(f"{MODELS}/{model['ID']}/files").json()["data"]
    assert (record["size"], record["sha256"]) == (len(stored), hashlib.sha256(stored).hexdigest())
    detail = models.get(f"{MODELS}/{model['ID']}").json()["model"]
    assert detail["total_size"] == len(stored)


def test_it_rejects_while_the_store_is_away(own):
    model = own.model()
    own.pipe.cut()
    answer = own.call("PUT", f"/{model['ID']}/files/a", data=b"x" * 100_000)
    own.pipe.mend()
    assert (answer.status_code, bool(answer.headers["Retry-After"])) == (503, True)
    assert own.call("GET", f"/{model['ID']}/files").json()["total"] == 0


def test_405_names_what_is_allowed(models, create):
    answer = models.post(f"{MODELS}/{create()['ID']}/files/a", data=b"")
    assert answer.status_code == 405
    assert {"PUT", "DELETE"} <= set(answer.headers["Allow"].split(", "))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415),
        ({"Content-Encoding": "gzip"}, 415),
        ({"Content-Encoding": "aws-chunked"}, 415),
        ({"Content-Encoding": "zstd"}, 415),
        ({"Content-Range": "bytes 0-0/2"}, 400),
        ({"Content-Encoding": "identity"}, 200),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 200),
    ],
)
def test_it_stores_a_bare_file_and_no_envelope(models, create, headers, status):
    model = create()
    answer = models.put(f"{MODELS}/{model['ID']}/files/a", data=b"x", headers=headers)
    assert answer.status_code == status
    assert names(models, model) == (["a"] if status == 200 else [])


def test_curls_form_is_refused(models, create, tmp_path):
    """``curl -F``, for ``curl -T``: the form was stored as the file."""
    (tmp_path / "a").write_bytes(b"x")
    url = f"{models.url}{MODELS}/{create()['ID']}/files/a"
    with (tmp_path / "a").open("rb") as file:
        done = requests.put(url, files={"file": file}, timeout=10)
    assert (done.status_code, "curl -T" in done.json()["message"]) == (415, True)


BODY = b"the body"
DIGESTS = {
    "Content-MD5": base64.b64encode(hashlib.md5(BODY).digest()).decode(),
    "x-checksum-sha256": hashlib.sha256(BODY).hexdigest(),
    "x-amz-content-sha256": hashlib.sha256(BODY).hexdigest(),
    "x-amz-checksum-sha256": base64.b64encode(hashlib.sha256(BODY).digest()).decode(),
    "x-amz-checksum-sha1": base64.b64encode(hashlib.sha1(BODY).digest()).decode(),
    "x-amz-checksum-crc32": base64.b64encode(zlib.crc32(BODY).to_bytes(4, "big")).decode(),
    "Content-Digest": f"sha-256=:{base64.b64encode(hashlib.sha256(BODY).digest()).decode()}:",
    "Repr-Digest": f"sha-512=:{base64.b64encode(hashlib.sha512(BODY).digest()).decode()}:, unixsum=:AA==:",
    "Digest": f"SHA-256={base64.b64encode(hashlib.sha256(BODY).digest()).decode()}",
}


@pytest.mark.parametrize("name", DIGESTS)
def test_every_checksum_that_a_sender_announces_is_verified(models, create, name):
    model = create()
    url = f"{MODELS}/{model['ID']}/files/a"
    wrong = models.put(url, data=BODY + b"!", headers={name: DIGESTS[name]})
    assert (wrong.status_code, list(wrong.json()["errors"])) == (422, [name])
    assert names(models, model) == []
    assert models.put(url, data=BODY, headers={name: DIGESTS[name]}).status_code == 200
    if name != "x-amz-content-sha256":
        broken = models.put(url, data=BODY, headers={name: "sha-256=:AAAA:" if "igest" in name else "AAAA"})
        assert broken.status_code == 422


def test_what_names_no_checksum_that_we_know_is_passed_over(models, create):
    headers = {
        "x-amz-content-sha256": "UNSIGNED-PAYLOAD",
        "x-amz-checksum-crc32c": "AAAAAA==",
        "Content-Digest": "unixsum=:AAA=:",
    }
    assert models.put(f"{MODELS}/{create()['ID']}/files/a", data=b"x", headers=headers).status_code == 200


def test_conditions_guard_a_file(models, create):
    url = f"{MODELS}/{create()['ID']}/files/a"
    assert models.put(url, data=b"1", headers={"If-Match": "*"}).status_code == 412
    first = models.put(url, data=b"1", headers={"If-None-Match": "*"})
    assert first.status_code == 200
    assert models.put(url, data=b"2", headers={"If-None-Match": "*"}).status_code == 412
    second = models.put(url, data=b"2", headers={"If-Match": first.headers["ETag"]})
    assert second.status_code == 200
    assert models.put(url, data=b"3", headers={"If-Match": first.headers["ETag"]}).status_code == 412
    assert models.delete(url, headers={"If-Match": first.headers["ETag"]}).status_code == 412
    assert models.delete(url, headers={"If-Match": second.headers["ETag"]}).status_code == 200


@one_database
def test_too_large_is_413_every_time(models, create):
    """By the declared length and by the bytes that come: the connection was reset, and the answer lost with it."""
    url = f"{models.url}{MODELS}/{create()['ID']}/files/a"
    body = bytes(501 * 2**20)
    declared = requests.put(url, data=body, timeout=60)
    assert (declared.status_code, "uploads" in declared.json()["message"]) == (413, True)


@one_database
def test_a_body_that_is_too_large_is_413_every_time(models):
    for _ in range(10):
        answer = requests.post(f"{models.url}{MODELS}", json={"name": "x" * 6 * 2**20}, timeout=60)
        assert answer.status_code == 413


def _begin_upload(models, model_id, path, **headers):
    """Begin a PUT of two bytes, whose sender holds back the second; the connection and how it goes on."""
    connection = http.client.HTTPConnection(models.url.removeprefix("http://"), timeout=30)
    connection.putrequest("PUT", f"/api/v1/models/{model_id}/files/{path}")
    for name, value in {"Content-Length": "2", **headers}.items():
        connection.putheader(name, value)
    connection.endheaders(b"1")
    return connection


def _end_upload(connection):
    with closing(connection):
        connection.send(b"2")
        return connection.getresponse().status


@pytest.mark.parametrize("other", [{"If-None-Match": "*"}, {}])
def test_a_conditional_upload_is_alone(models, create, other):
    """Whoever comes between the look at the condition and the end of the upload would be overwritten unseen."""
    model_id = create()["ID"]
    url = f"/api/v1/models/{model_id}/files/a"
    first = _begin_upload(models, model_id, "a", **{"If-None-Match": "*"})
    while models.put(url, data=b"x", headers={"If-Match": '"none"'}).status_code != 409:
        if select.select([first.sock], [], [], 0)[0]:  # it came while we looked, and was itself the second
            first.close()
            first = _begin_upload(models, model_id, "a", **{"If-None-Match": "*"})
    assert models.put(url, data=b"x", headers=other).status_code == 409
    assert models.put(f"{url}2", data=b"x", headers=other).status_code == 200
    assert _end_upload(first) == 200
    assert models.put(url, data=b"x", headers=other).status_code == (412 if other else 200)


def test_of_conditional_uploads_at_once_one_is_stored(models, create):
    model_id = create()["ID"]
    url = f"/api/v1/models/{model_id}/files/a"
    with ThreadPoolExecutor(8) as pool:
        sent = [pool.submit(models.put, url, data=str(n).encode(), headers={"If-None-Match": "*"}) for n in range(8)]
    statuses = sorted(answer.result().status_code for answer in sent)
    assert statuses[0] == 200
    assert set(statuses[1:]) <= {409, 412}
