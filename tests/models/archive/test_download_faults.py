"""Downloads whose objects change, whose store fails, whose client leaves"""

import io
import os
import socket
import sqlite3
import time
import uuid
import zipfile
import zlib
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import gevent
import pytest
import requests

from services.models.archive import object_reader
from services.models.archive.object_reader import StoredObject
from tests.support.waiting import wait_until

pytestmark = pytest.mark.faults

BROKEN = (requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)
BIG = os.urandom(24 * 2**20)


@pytest.fixture
def ready_own(own):
    """Create a ready model in the tests' own service, whose store is whole again afterwards."""
    yield own.ready
    own.pipe.cut()  # of the connections that the service keeps, some may be about to break
    own.pipe.mend()


def proof(own, url):
    """The headers that prove of which archive a part is asked for."""
    return {"If-Range": own.call("HEAD", url).headers["ETag"]}


def start(own, url):
    """Begin a download, with its first bytes read."""
    answer = own.call("GET", url, stream=True)
    assert answer.status_code == 200
    chunks = answer.iter_content(65536)
    return answer, next(chunks), chunks


def test_a_read_that_breaks_is_healed(own, ready_own):
    _, url = ready_own({"a": BIG[: 6 * 2**20], "b": BIG[:1000]})
    whole = own.call("GET", url).content
    for size in (3_000_000, 1_333_333, 700_001):
        own.pipe.cut(after=size)
        assert own.call("GET", url).content == whole
        part = own.call("GET", url, headers={"Range": "bytes=1234567-", **proof(own, url)})
        assert part.content == whole[1_234_567:]
    own.pipe.mend()
    assert zipfile.ZipFile(io.BytesIO(whole)).testzip() is None


def test_small_files_that_break_are_healed(own, ready_own):
    _, url = ready_own({f"f{number}": BIG[number : number + 2000] for number in range(10)})
    whole = own.call("GET", url).content
    own.pipe.cut(after=5500)  # two of them, and then in the midst of one
    assert own.call("GET", url).content == whole
    assert own.call("GET", url, headers={"Range": "bytes=12345-", **proof(own, url)}).content == whole[12345:]


def test_a_short_absence_of_the_store_is_healed(own, ready_own):
    _, url = ready_own({"a": BIG, "b": b"1", "c": b""})
    whole = own.call("GET", url).content
    own.pipe.cut_once(after=len(BIG) // 2)
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(own.call, "GET", url)
        wait_until(lambda: not own.pipe.open)
        time.sleep(0.5)
        own.pipe.mend()
        assert answer.result().content == whole


@pytest.mark.parametrize("named", [True, False])
def test_it_breaks_off_where_the_store_stays_away(hasty, named):
    _, url = hasty.ready({"a": BIG})
    hasty.pipe.cut_once(after=len(BIG) // 2)
    answer, _, chunks = start(hasty, url if named else url.rsplit("/", 1)[0])
    with answer, pytest.raises(BROKEN):
        deque(chunks)
    for path in (url, url.rsplit("/", 1)[0]):
        begin = time.monotonic()
        answer = hasty.call("GET", path)
        assert (answer.status_code, bool(answer.headers["Retry-After"])) == (503, True)
        assert time.monotonic() - begin < 10
    hasty.pipe.mend()
    assert hasty.call("GET", url).status_code == 200


@pytest.mark.parametrize("content", [b"", b"some"])
def test_what_is_gone_or_another_at_the_start_is_409(own, bucket, ready_own, content):
    model, url = ready_own({"a": content, "b": b"2"})
    key = f"{model['storage_path']}/a"
    bucket.remove(key)
    assert own.call("GET", url).status_code == 409
    bucket.put(key, io.BytesIO(b"othe"))
    for path in (url, url.rsplit("/", 1)[0]):
        assert own.call("GET", path).status_code == 409
    assert own.call("HEAD", url).status_code == 200
    size = int(own.call("HEAD", url).headers["Content-Length"])
    tail = own.call("GET", url, headers={"Range": f"bytes={size - 22}-", **proof(own, url)})
    assert (tail.status_code, tail.content[:4]) == (206, b"PK\5\6")  # for which no object is read
    bucket.put(key, io.BytesIO(content))
    assert own.call("GET", url).status_code == 200


@pytest.mark.parametrize("change", ["remove", "replace", "shorten"])
def test_it_breaks_off_where_a_later_file_changed_midway(own, bucket, ready_own, change):
    model, url = ready_own({"a": BIG, "b": b"0123456789" * 1000})
    key = f"{model['storage_path']}/b"
    answer, _, chunks = start(own, url)
    if change == "remove":
        bucket.remove(key)
    else:
        bucket.put(key, io.BytesIO(b"x" * (10_000 if change == "replace" else 9_999)))
    with answer, pytest.raises(BROKEN):
        deque(chunks)


def test_it_breaks_off_at_the_place_of_a_small_file_that_is_gone(own, bucket, ready_own):
    model, url = ready_own({f"f{number}": BIG[number : number + 2000] for number in range(8)})
    whole = own.call("GET", url).content
    bucket.remove(f"{model['storage_path']}/f5")
    received = bytearray()
    with own.call("GET", url, stream=True) as answer, pytest.raises(BROKEN):
        deque(map(received.extend, answer.iter_content(1)))
    # Where the archive says that it begins: any short name is somewhere among random bytes, once in a thousand runs.
    gone = zipfile.ZipFile(io.BytesIO(whole)).getinfo(f"{model['ID']}/f5")
    assert gone.header_offset <= len(received) <= gone.header_offset + 30 + len(gone.filename)
    assert received == whole[: len(received)]


@pytest.mark.parametrize("change", ["remove", "replace"])
def test_it_breaks_off_where_the_file_changed_while_it_is_read(own, bucket, ready_own, change):
    model, url = ready_own({"a": BIG})
    key = f"{model['storage_path']}/a"
    own.pipe.cut_once(after=len(BIG) // 2)  # so that the rest is another read
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(own.call, "GET", url)
        wait_until(lambda: not own.pipe.open)
        if change == "remove":
            bucket.remove(key)
        else:
            bucket.put(key, io.BytesIO(bytes(len(BIG))))
        own.pipe.mend()
        with pytest.raises(BROKEN):
            answer.result()


def test_it_breaks_off_where_the_content_has_another_crc(own, ready_own):
    model, url = ready_own({"a": b"start", "b": BIG[: 3 * 2**20]})
    _record_crc(own, model, "b", 1)
    before_last = 2 * 2**20 - 1000
    answer = own.call("GET", url, stream=True)
    received = []
    with answer, pytest.raises(BROKEN):
        received.extend(answer.iter_content(1000))
    assert before_last < sum(map(len, received)) < 3 * 2**20
    # Flagged: nobody is given a part of it any more, by either URL and by any worker.
    refused = own.call("GET", url, headers={"Range": "bytes=100-300"})
    assert (refused.status_code, "/b has another CRC-32" in refused.json()["message"]) == (409, True)
    assert {own.call("GET", url.rsplit("/", 1)[0]).status_code for _ in range(10)} == {409}
    assert own.call("GET", f"{url}?include=a").status_code == 200
    # A new freezing reads it again.
    for status in ("uploading", "ready"):
        assert own.call("PUT", f"/{model['ID']}", json={"status": status}).status_code == 200
    assert own.call("GET", url).status_code == 503
    with own.checksums():
        wait_until(lambda: own.call("HEAD", url).status_code == 200)
    assert zipfile.ZipFile(io.BytesIO(own.call("GET", url).content)).read(f"{model['ID']}/b") == BIG[: 3 * 2**20]


def test_it_refuses_where_the_first_content_has_another_crc(own, ready_own):
    model, url = ready_own({"a": b"start"})
    _record_crc(own, model, "a", 1)

    assert own.call("GET", url).status_code == 409
    assert own.call("HEAD", url).status_code == 409


def _record_crc(own, model, path, crc32):
    with sqlite3.connect(own.environ["DATABASE_URL"].removeprefix("sqlite:///")) as database:
        database.execute("UPDATE file SET crc32 = ? WHERE model_id = ? AND path = ?", (crc32, model["ID"], path))
        # Whoever asks next plans the archive of it.
        database.execute("UPDATE model SET revision = revision + 1 WHERE id = ?", (model["ID"],))


def wait_until_nothing_passes(pipe):
    """Wait for half a second and more in which no byte comes from the store."""
    seen = deque([0], maxlen=10)
    wait_until(lambda: seen.append(pipe.passed) or (len(seen) == 10 and seen[0] == seen[-1]))


@pytest.mark.parametrize("named", [True, False])
def test_a_client_that_leaves_ends_the_read(own, ready_own, named):
    _, url = ready_own({"a": BIG})
    wait_until(lambda: own.call("GET", url).status_code == 200)
    before = own.pipe.passed
    answer, _, _ = start(own, url if named else url.rsplit("/", 1)[0])
    answer.raw._fp.fp.raw._sock.shutdown(socket.SHUT_RDWR)
    answer.close()
    wait_until_nothing_passes(own.pipe)
    assert own.pipe.passed - before < len(BIG)
    assert own.call("GET", url).content


def test_a_client_that_leaves_ends_what_is_fetched_before_its_turn(own, bucket):
    model, count = own.model(), 100
    for number in range(count):
        bucket.put(f"{model['storage_path']}/{number}", io.BytesIO(BIG[: 240 * 1024]))
    own.call("PUT", f"/{model['ID']}", json={"status": "ready"})
    before = own.pipe.passed
    with own.call("GET", f"/{model['ID']}/download", stream=True) as answer:
        assert next(answer.iter_content(65536))
    wait_until_nothing_passes(own.pipe)
    assert own.pipe.passed - before < count * 240 * 1024


def test_a_client_that_takes_nothing_keeps_no_connection_to_the_store(own, bucket, monkeypatch):
    monkeypatch.setattr(object_reader, "IDLE_TIMEOUT_S", 0.05)
    key = f"leases-{uuid.uuid4().hex}/a"
    etag = bucket.put(key, io.BytesIO(BIG))
    opened = []
    chunks_of = bucket.chunks

    def chunks(*args, **kwargs):
        opened.append(kwargs["offset"])
        return chunks_of(*args, **kwargs)

    monkeypatch.setattr(bucket, "chunks", chunks)
    with closing(
        object_reader.read_content(bucket, StoredObject(key, len(BIG), etag, zlib.crc32(BIG)), 0, len(BIG))
    ) as read:
        received = [next(read), next(read)]
        gevent.sleep(0.2)
        received += read
    assert b"".join(received) == BIG
    assert opened == [0, len(received[0]) + len(received[1])]


def test_a_store_that_hangs_is_503_in_time(own, ready_own):
    _, url = ready_own({"a": BIG[:1000]})
    assert own.call("GET", url).status_code == 200
    own.pipe.hang()
    try:
        begin = time.monotonic()
        answer = own.call("GET", url)
        assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
        assert time.monotonic() - begin < 15
    finally:
        own.pipe.mend()
    wait_until(lambda: own.call("GET", url).status_code == 200)


def test_a_read_that_hangs_midway_is_opened_anew(own, ready_own):
    _, url = ready_own({"a": BIG})
    answer, first, chunks = start(own, url)
    own.pipe.hang()
    time.sleep(11)  # longer than the store's read time-out, which no event tells the end of
    own.pipe.cut()  # what hung is never heard of again
    own.pipe.mend()
    with answer:
        whole = first + b"".join(chunks)
    assert zipfile.ZipFile(io.BytesIO(whole)).testzip() is None
