"""Downloads of what S3 keeps oddly, by old clients, and while the model changes"""

import gzip
import io
import os
import socket
import uuid
import zipfile
from contextlib import closing

import pytest
import requests

from tests.support.waiting import wait_until

BIG = os.urandom(24 * 2**20)
BROKEN = (requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)


def test_an_object_with_a_content_encoding_arrives_as_it_lies_there(own, bucket):
    path = f"own-{uuid.uuid4().hex}"
    content = gzip.compress(b"x" * 5000)
    bucket.client.put_object(
        bucket_name=bucket.name,
        object_name=f"{path}/x.gz",
        data=io.BytesIO(content),
        length=len(content),
        metadata={"Content-Encoding": "gzip"},
    )
    model = own.model(storage_path=path, status="ready")
    url = f"/{model['ID']}/download"
    assert zipfile.ZipFile(io.BytesIO(own.call("GET", url).content)).read(f"{model['ID']}/x.gz") == content
    with own.checksums():
        wait_until(lambda: own.call("HEAD", url).headers["Accept-Ranges"] == "bytes")
    assert zipfile.ZipFile(io.BytesIO(own.call("GET", url).content)).read(f"{model['ID']}/x.gz") == content


@pytest.mark.parametrize("headers", ["", "Host: localhost\r\n"])
def test_a_client_of_http_1_0_is_sent_the_bytes_until_the_end(own, headers):
    model = own.model()
    own.call("PUT", f"/{model['ID']}/files/a", data=b"content")
    own.call("PUT", f"/{model['ID']}", json={"status": "ready"})
    host, port = own.url.removeprefix("http://").split(":")
    with closing(socket.create_connection((host, int(port)), timeout=10)) as client:
        client.sendall(f"GET /api/v1/models/{model['ID']}/download HTTP/1.0\r\n{headers}\r\n".encode())
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b" 200 " in head.split(b"\r\n")[0]
    assert b"chunked" not in head.lower()
    assert zipfile.ZipFile(io.BytesIO(body)).read(f"{model['ID']}/a") == b"content"


def test_it_is_the_same_in_another_time_zone_and_after_a_restart(own, start_own):
    model = own.model()
    own.call("PUT", f"/{model['ID']}/files/a", data=b"content")
    own.call("PUT", f"/{model['ID']}", json={"status": "ready"})
    other = start_own(DATABASE_URL=own.environ["DATABASE_URL"], TZ="Pacific/Kiritimati")
    for include in ("", "?include=README.md"):
        ours, theirs = (service.call("GET", f"/{model['ID']}/download{include}") for service in (own, other))
        assert (ours.content, ours.headers["ETag"]) == (theirs.content, theirs.headers["ETag"])
        assert ours.headers["Content-Disposition"] == theirs.headers["Content-Disposition"]


@pytest.mark.faults
@pytest.mark.parametrize("change", ["delete", "purge", "error"])
def test_a_model_that_goes_midway_ends_no_download_with_other_bytes(own, change):
    """What was begun is finished, or breaks where its objects are gone; who resumes learns that it is over."""
    model = own.model()
    url = f"/{model['ID']}/download"
    for name in ("a", "b"):
        own.call("PUT", f"/{model['ID']}/files/{name}", data=BIG)
    own.call("PUT", f"/{model['ID']}", json={"status": "ready"})
    whole = own.call("GET", url).content
    with own.call("GET", url, stream=True) as answer:
        chunks = answer.iter_content(2**20)
        received = next(chunks)
        if change == "error":
            assert own.call("PUT", f"/{model['ID']}", json={"status": "error"}).status_code == 200
        else:
            purge = "true" if change == "purge" else "false"
            assert own.call("DELETE", f"/{model['ID']}", params={"purge": purge}).status_code == 200
        if change == "purge":
            with pytest.raises(BROKEN):
                list(chunks)
        else:
            assert received + b"".join(chunks) == whole
    resumed = own.call("GET", url, headers={"Range": "bytes=1000-"})
    assert resumed.status_code == (409 if change == "error" else 404)


@pytest.mark.faults
def test_clients_that_vanish_leave_no_connection_and_no_place_behind(hasty):
    """Many more than there are places, one after the other."""
    model = hasty.model()
    hasty.call("PUT", f"/{model['ID']}/files/a", data=BIG)
    hasty.call("PUT", f"/{model['ID']}", json={"status": "ready"})
    url = f"/{model['ID']}/download"
    before = hasty.pipe.connected
    for _ in range(20):
        # Each place is free a moment after its client has gone.
        with wait_until(lambda: answer if (answer := hasty.call("GET", url, stream=True)).ok else None) as answer:
            next(answer.iter_content(65536))
    assert wait_until(lambda: hasty.call("GET", url).ok)
    wait_until(lambda: hasty.pipe.connected <= before + 1)
