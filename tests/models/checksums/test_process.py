"""The checksum process"""

import base64
import hashlib
import io
import os
import signal
import sqlite3
import subprocess
import zlib

import pytest

from services.models.checksums.__main__ import Stop
from tests.support.waiting import wait_until

pytestmark = pytest.mark.faults


@pytest.fixture
def frozen(own, bucket):
    """Make a ready model of objects that did not come through the service."""

    def frozen(files):
        model = own.model()
        for path, content in files.items():
            bucket.put(f"{model['storage_path']}/{path}", io.BytesIO(content))
        own.call("PUT", f"/{model['ID']}", json={"status": "ready"})
        return model

    return frozen


def known(own, model):
    files = own.call("GET", f"/{model['ID']}/files", params={"limit": 100}).json()["data"]
    return {file["path"]: (file["crc32"], file["sha256"]) for file in files if file["sha256"]}


def rows(own, model):
    with sqlite3.connect(own.environ["DATABASE_URL"].removeprefix("sqlite:///")) as database:
        found = database.execute("SELECT path, error FROM file WHERE model_id = ?", (model["ID"],))
        return dict(found.fetchall())


def sums(content):
    return f"{zlib.crc32(content):08x}", hashlib.sha256(content).hexdigest()


def test_it_works(own, frozen):
    files = {"empty": b"", "small": b"abc", "large": os.urandom(20 * 2**20 + 5)}
    model = frozen(files)
    assert known(own, model) == {}
    with own.checksums():
        wait_until(lambda: len(known(own, model)) == len(files))
    assert known(own, model) == {path: sums(content) for path, content in files.items()}


def test_several_share_the_work(own, frozen):
    model = frozen({f"f{number}": bytes([number]) * 100_000 for number in range(30)})
    with own.checksums(), own.checksums(), own.checksums():
        wait_until(lambda: len(known(own, model)) == 30)
    assert own.call("HEAD", f"/{model['ID']}/download").headers["ETag"]


def test_what_changed_or_vanished_does_not_hold_up_the_rest(own, bucket, frozen):
    model = frozen({"changed": b"1", "gone": b"2", "gone too": b"", "good": b"4"})
    path = model["storage_path"]
    bucket.put(f"{path}/changed", io.BytesIO(b"other"))
    bucket.remove(f"{path}/gone")
    bucket.remove(f"{path}/gone too")
    with own.checksums():
        wait_until(lambda: sum(error is not None for error in rows(own, model).values()) == 3)
        wait_until(lambda: set(known(own, model)) == {"good"})
    errors = rows(own, model)
    assert "missing" in errors["gone"]
    assert "not the one" in errors["changed"]
    assert own.call("GET", f"/{model['ID']}/download").status_code == 409


def test_it_lives_through_the_store_being_away(own, frozen):
    model = frozen({"a": b"1"})
    own.pipe.cut()
    with own.checksums() as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=3)
        own.pipe.mend()
        wait_until(lambda: len(known(own, model)) == 1, within_s=60)


def column(own, query, *values):
    """Run a statement on the service's own tables and return the first column of its first row."""
    with sqlite3.connect(own.environ["DATABASE_URL"].removeprefix("sqlite:///"), timeout=5) as database:
        row = database.execute(query, values).fetchone()
        return row and row[0]


def test_one_that_is_killed_loses_its_lease_and_another_starts_the_file_again(own, frozen):
    content = os.urandom(2**26)
    model = frozen({"a": content})
    before = own.pipe.passed
    with own.checksums(CHECKSUM_MIB_PER_S="20") as process:
        wait_until(lambda: own.pipe.passed - before > len(content) // 4)
        process.kill()
        process.wait()
    assert known(own, model) == {}
    with own.checksums():
        wait_until(lambda: len(known(own, model)) == 1, within_s=60)
    assert known(own, model) == {"a": sums(content)}


def test_it_verifies_what_the_sender_of_an_upload_announced(own, store_server):
    model = own.model()
    good, bad = os.urandom(1000), os.urandom(1000)
    own.upload(model, "good", good, store_server.endpoint, sha256=sums(good)[1].upper())
    own.upload(model, "bad", bad, store_server.endpoint, sha256="0" * 64)
    assert own.call("PUT", f"/{model['ID']}", json={"status": "ready"}).status_code == 200
    with own.checksums():
        wait_until(lambda: len(known(own, model)) == 2)
    assert known(own, model) == {"good": sums(good), "bad": sums(bad)}
    errors = {file["path"]: file["error"] for file in own.call("GET", f"/{model['ID']}/files").json()["data"]}
    assert (errors["good"], "announced" in errors["bad"]) == (None, True)
    answer = own.call("GET", f"/{model['ID']}/download")
    assert (answer.status_code, "announced" in answer.json()["message"]) == (409, True)
    # The verdict stays while the object is the same.
    assert own.call("PUT", f"/{model['ID']}", json={"status": "uploading"}).status_code == 200
    refused = own.call("PUT", f"/{model['ID']}", json={"status": "ready"})
    assert (refused.status_code, refused.json()["message"][:4]) == (409, "bad:")
    assert own.call("DELETE", f"/{model['ID']}/files/bad").status_code == 200
    assert own.call("PUT", f"/{model['ID']}", json={"status": "ready"}).status_code == 200
    assert own.call("GET", f"/{model['ID']}/download").status_code == 200


def test_nobody_is_given_a_file_before_its_announced_checksum_was_verified(own, store_server):
    model = own.model()
    content = os.urandom(1000)
    own.upload(model, "a", content, store_server.endpoint, sha256=sums(content)[1])
    assert own.call("PUT", f"/{model['ID']}", json={"status": "ready"}).status_code == 200
    for path in ("/download", "/files/a"):
        answer = own.call("GET", f"/{model['ID']}{path}", allow_redirects=False)
        assert (answer.status_code, "verified" in answer.json()["message"]) == (503, True)
    (file,) = own.call("GET", f"/{model['ID']}/files").json()["data"]
    assert file["url"] is None
    with own.checksums():
        wait_until(lambda: known(own, model))
    assert own.call("GET", f"/{model['ID']}/download").status_code == 200
    assert own.call("GET", f"/{model['ID']}/files/a", allow_redirects=False).status_code == 302


def test_freezing_keeps_what_is_known(own, store_server):
    model = own.model()
    own.upload(model, "a", b"content", store_server.endpoint, sha256="0" * 64)
    column(own, "UPDATE file SET crc32 = 8 WHERE model_id = ?", model["ID"])
    own.call("PUT", f"/{model['ID']}", json={"status": "ready"})
    kept = column(own, "SELECT crc32 || announced_sha256 FROM file WHERE model_id = ?", model["ID"])
    assert kept == "8" + "0" * 64
    own.call("DELETE", f"/{model['ID']}")


def multipart_object(bucket, key, contents, kind):
    """Put an object in parts with a CRC-32 of a kind that the store keeps, as other programs do."""
    client, name, tags = bucket.client, bucket.name, ""
    started = {"x-amz-checksum-algorithm": "CRC32", "x-amz-checksum-type": kind}
    upload = client._create_multipart_upload(name, key, started)
    for number, content in enumerate(contents, 1):
        crc32 = base64.b64encode(zlib.crc32(content).to_bytes(4, "big")).decode()
        place, headers = {"uploadId": upload, "partNumber": str(number)}, {"x-amz-checksum-crc32": crc32}
        sent = client._execute("PUT", name, key, body=content, headers=headers, query_params=place)
        etag = f"<ETag>{sent.headers['ETag']}</ETag><ChecksumCRC32>{crc32}</ChecksumCRC32>"
        tags += f"<Part><PartNumber>{number}</PartNumber>{etag}</Part>"
    body = f"<CompleteMultipartUpload>{tags}</CompleteMultipartUpload>".encode()
    md5 = {"Content-MD5": base64.b64encode(hashlib.md5(body).digest()).decode()}
    client._execute("POST", name, key, body=body, headers=md5, query_params={"uploadId": upload})


@pytest.mark.keeps_checksums
@pytest.mark.parametrize("kind", ["FULL_OBJECT", "COMPOSITE"])
def test_of_the_store_s_own_checksums_only_that_of_the_whole_counts(bucket, kind):
    contents = [os.urandom(6 * 2**20), b"end"]
    multipart_object(bucket, f"crc/{kind}", contents, kind)
    whole = zlib.crc32(b"".join(contents))
    kept = bucket.client.stat_object(
        bucket_name="models", object_name=f"crc/{kind}", extra_headers={"x-amz-checksum-mode": "ENABLED"}
    )
    assert kept.metadata["x-amz-checksum-type"] == kind
    assert bucket.stat(f"crc/{kind}").crc32 == (whole if kind == "FULL_OBJECT" else None)


@pytest.mark.keeps_checksums
def test_what_the_store_keeps_is_known_before_the_file_is_read(own, bucket):
    model, contents = own.model(), [os.urandom(20 * 2**20), b"end"]
    multipart_object(bucket, f"{model['storage_path']}/a", contents, "FULL_OBJECT")
    own.call("PUT", f"/{model['ID']}", json={"status": "ready"})
    with own.checksums(CHECKSUM_MIB_PER_S="10"):
        wait_until(lambda: column(own, "SELECT crc32 FROM file WHERE model_id = ?", model["ID"]))
        [file] = own.call("GET", f"/{model['ID']}/files").json()["data"]
        assert (file["crc32"], file["sha256"]) == (sums(b"".join(contents))[0], None)
        # An archive waits for both, or it would change once SHA256SUMS can be made.
        assert "ETag" not in own.call("HEAD", f"/{model['ID']}/download").headers
        wait_until(lambda: len(known(own, model)) == 1)
    assert known(own, model) == {"a": sums(b"".join(contents))}


def test_bytes_that_are_not_those_of_the_store_s_checksum_are_an_error(own, frozen):
    model = frozen({"a": b"content"})
    column(own, "UPDATE file SET crc32 = 1 WHERE model_id = ?", model["ID"])
    with own.checksums():
        wait_until(lambda: rows(own, model)["a"])
    assert "CRC-32" in rows(own, model)["a"]
    assert own.call("GET", f"/{model['ID']}/download").status_code == 409


def test_a_bad_rate_is_named(own):
    with own.checksums(CHECKSUM_MIB_PER_S="0") as process:
        assert process.wait(20) != 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_whose_exit_python_drops_is_remembered():
    stop = Stop()

    class Dropped:
        def __del__(self):
            stop(signal.SIGTERM, None)

    Dropped()
    assert stop.is_set
