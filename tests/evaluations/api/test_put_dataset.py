"""PUT /api/v1/datasets/:name"""

import hashlib
import json
import socket
import threading
import time
import uuid

import psutil
import pytest
import requests

from shared.s3.bucket import PART_BYTES
from tests.support.databases import one_database

DATASETS = "/api/v1/datasets"
ROW = b'{"input": "a", "expected": "b"}'


def _listed(evaluations, name):
    sets = evaluations.get(DATASETS, params={"limit": 100}).json()["data"]
    return [found["sha256"] for found in sets if found["name"] == name]


def test_it_works(evaluations):
    body = b'[{"input": "I love it", "expected": "positive"}, {"input": "Bah", "expected": "negative"}]'
    answer = evaluations.put(f"{DATASETS}/test_split.json", data=body)

    assert answer.status_code == 200
    assert answer.json() == {
        "name": "test_split.json",
        "path": "datasets/test_split.json",
        "size": len(body),
        "rows": 2,
        "sha256": hashlib.sha256(body).hexdigest(),
    }


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        (ROW, 1),
        (ROW + b"\n", 1),
        (ROW + b"\r\n\r\n" + ROW + b"\r\n", 2),
        (b"\n \n" + ROW + b"\n\n" + ROW, 2),
        (b"\xef\xbb\xbf" + ROW, 1),
        (b"\xef\xbb\xbf[" + ROW + b"]", 1),
        (b"\r\n[\r\n" + ROW + b",\r\n" + ROW + b"\r\n]\r\n", 2),
        (b"[" + b", ".join([ROW] * 3) + b"]", 3),
        (b'{"input": "", "expected": "b", "id": 7, "input_2": {"a": [null, 1e9]}}', 1),
        ('{"input": "שלום 你好 🙂 \\u2028", "expected": "好的\\ud83d\\ude42"}'.encode(), 1),
        ('{"input": "a\u2028b\u0085c", "expected": "d"}\n{"input": "e", "expected": "f"}'.encode(), 2),
    ],
)
def test_it_takes_json_and_json_lines(put_set, body, rows):
    answer = put_set(body)

    assert answer.status_code == 200, answer.text
    assert (answer.json()["rows"], answer.json()["size"]) == (rows, len(body))


def test_it_replaces_a_set(put_set, evaluations):
    name = uuid.uuid4().hex
    put_set(ROW, name)
    answer = put_set(ROW + b"\n" + ROW, name)

    assert answer.json()["rows"] == 2
    assert _listed(evaluations, name) == [answer.json()["sha256"]]


def test_it_takes_a_chunked_body_of_several_parts(put_set):
    row = json.dumps({"input": "x" * 1000, "expected": "y"}).encode() + b"\n"
    block = row * 1000
    answer = put_set(block for _ in range(18))

    assert answer.status_code == 200, answer.text
    assert (answer.json()["rows"], answer.json()["size"]) == (18_000, 18 * len(block))


@one_database
@pytest.mark.parametrize(
    ("body", "line"),
    [
        (b"{", 1),
        (b"null", 1),
        (b'"text"', 1),
        (ROW + b"\n\n{\n", 3),
        (ROW + b"\r\n" + ROW + b" x", 2),
        (ROW + b"\n[" + ROW + b"]", 2),
        (b"[\n" + ROW + b",\n[1]]", 3),
        (b"[\n" + ROW + b"\n" + ROW + b"]", 3),
        (b"[\n" + ROW + b",\n]", 3),
        (b"[" + ROW + b"]\n\nx", 3),
        (b"[\n" + ROW + b",\n\n", 4),
        (b"[\n" + ROW + b',\n{"input":\n\n nonsense}]', 5),
        (ROW + b'\n{"input": "a"}', 2),
        (ROW + b'\n{"input": 1, "expected": "b"}', 2),
        (ROW + b'\n{"input": "a", "expected": null}', 2),
        (ROW + b'\n{"input": "a", "expected": " \\n"}', 2),
        (ROW + b'\n{"input": "a\\u0000", "expected": "b"}', 2),
        (ROW + b'\n{"input": "a", "expected": "\\ud800"}', 2),
        (ROW + b'\n{"input": "a", "expected": "b", "x": NaN}', 2),
        (ROW + b'\n{"input": "a", "expected": "b", "x": ' + b"9" * 5000 + b"}", 2),
        (ROW + b'\n{"input": "a\tb", "expected": "b"}', 2),
        (ROW + b'\n{"input": "a", "expected": "b", "x": ' + b"[" * 50_000 + b"]" * 50_000 + b"}", 2),
        (b"[\n" + b"[" * 50_000, 2),
        (ROW + b"\n" + b'{"input": "' + b"x" * (2**20 + 9) + b'", "expected": "b"}', 2),
        (b"[\n" + b'{"input": "' + b"x" * (2**21), 2),
        (ROW + b'\n{"input": "\xff", "expected": "b"}', 2),
        (ROW + b'\n{"input": "a", "expected": "\xe2\x82', 2),
    ],
)
def test_it_rejects_a_bad_row_by_its_line(put_set, evaluations, body, line):
    name = uuid.uuid4().hex
    answer = put_set(body, name)

    assert answer.status_code == 422, answer.text
    assert list(answer.json()["errors"]) == [f"line {line}"]
    assert _listed(evaluations, name) == []


@one_database
@pytest.mark.parametrize("body", [b"", b" \n\r\n", b"\xef\xbb\xbf", b"[]", b"[ \n ]\n"])
def test_it_rejects_a_set_without_rows(put_set, body):
    answer = put_set(body)

    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["body"])


def test_a_refused_body_keeps_the_old_set(put_set, evaluations, evaluate):
    name = uuid.uuid4().hex
    old = put_set(ROW, name).json()
    assert put_set((ROW + b"\n") * 1000 + b"{", name).status_code == 422

    assert _listed(evaluations, name) == [old["sha256"]]
    evaluate(f"datasets/{name}")


@one_database
@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "%2e%2e",
        "a/b",
        "a%2Fb",
        "/a",
        "a%5Cb",
        "a%00b",
        "a%0Ab",
        "a%7Fb",
        "a%3Ab",
        "a%3Fb",
        "a*",
        "con",
        "NUL.json",
        "a.",
        "a%20",
        "%FF",
        "x" * 256,
    ],
)
def test_it_rejects_an_odd_name(evaluations, name):
    request = requests.Request("PUT", evaluations.url, data=ROW).prepare()
    request.url = f"{evaluations.url}{DATASETS}/{name}"  # as it is: prepared, its dots would be resolved
    answer = evaluations.session.send(request, timeout=10)

    assert answer.status_code == 422, answer.text
    assert list(answer.json()["errors"]) == ["name"]


@pytest.mark.parametrize("name", ["a b.json", "ü 好 🙂.jsonl", "x" * 255, "…", "a%25b", "-"])
def test_it_takes_any_other_name(put_set, evaluate, name):
    answer = put_set(ROW, name)

    assert answer.status_code == 200, answer.text
    assert answer.json()["name"] == name.replace("%25", "%")
    evaluate(answer.json()["path"])


def _send_raw(service, head, body):
    host, _, port = service.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(head + b"\r\n\r\n" + body)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer


def test_it_rejects_more_than_500_mib_by_the_declared_length(evaluations):
    head = f"PUT {DATASETS}/big HTTP/1.1\r\nHost: localhost\r\nContent-Length: {500 * 2**20 + 1}".encode()
    answer = _send_raw(evaluations, head, b"")

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"message"' in answer


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ("Content-Length: 1000", ROW + b"\n" + ROW + b"\n"),
        ("Transfer-Encoding: chunked", b"20\r\n" + ROW + b"\n\r\n"),
        ("Transfer-Encoding: chunked", b"20\r\n" + ROW + b"\n\r\nnonsense\r\n"),
    ],
)
def test_a_body_that_breaks_off_keeps_the_old_set(put_set, evaluations, header, body):
    name = uuid.uuid4().hex
    old = put_set(ROW, name).json()
    head = f"PUT {DATASETS}/{name} HTTP/1.1\r\nHost: localhost\r\n{header}".encode()
    answer = _send_raw(evaluations, head, body)
    time.sleep(0.2)

    assert answer.startswith(b"HTTP/1.1 400 ") or not answer
    assert _listed(evaluations, name) == [old["sha256"]]


def test_it_rejects_other_methods(evaluations):
    answer = evaluations.post(f"{DATASETS}/test_split.json")

    assert answer.status_code == 405
    assert "PUT" in answer.headers["Allow"]


@pytest.mark.soak
@pytest.mark.parametrize("array", [True, False])
def test_a_million_rows_take_no_memory_and_block_nobody(evaluations, tmp_path, array):
    rows, body = 1_000_000, tmp_path / "million"
    start, between, end = (b"[", b",\n", b"]") if array else (b"", b"\n", b"")

    padding = "x" * 200
    with body.open("wb") as file:
        file.write(start)
        for row in range(rows):
            line = json.dumps({"input": f"row {row} {padding}", "expected": "ab"[row % 2]}).encode()
            file.write(between + line if row else line)
        file.write(end)
    assert body.stat().st_size > 200 * 2**20
    processes = [psutil.Process(evaluations.running.process.pid)]
    processes += processes[0].children(recursive=True)
    assert evaluations.put(f"{DATASETS}/warm", data=ROW).status_code == 200
    before = sum(process.memory_info().rss for process in processes)
    waits, most, over = [], [before], threading.Event()

    def watch():
        session = requests.Session()
        while not over.is_set():
            began = time.monotonic()
            assert session.get(f"{evaluations.url}{DATASETS}", params={"limit": 1}, timeout=30).status_code == 200
            waits.append(time.monotonic() - began)
            most.append(sum(process.memory_info().rss for process in processes))
            time.sleep(0.02)  # a request now and then

    watching = threading.Thread(target=watch)
    watching.start()
    with body.open("rb") as file:
        answer = evaluations.put(f"{DATASETS}/million", data=file, timeout=300)
    over.set()
    watching.join()

    assert (answer.status_code, answer.json()["rows"]) == (200, rows)
    # Four parts are on their way to the store and one is being filled, however many there are.
    assert max(most) - before < 5 * PART_BYTES + 16 * 2**20
    assert sorted(waits)[len(waits) * 95 // 100] < 0.25


@one_database
@pytest.mark.parametrize(
    ("first_bytes", "told"),
    [
        (b"PAR1\x15\x04\x15", "Is Parquet. Convert it: duckdb -c"),
        (b"PK\x03\x04\x14\x00", "save it as CSV"),
        (b"\x1f\x8b\x08\x00", "gunzip"),
    ],
)
def test_it_says_how_other_formats_are_converted(put_set, evaluations, first_bytes, told):
    for name in (uuid.uuid4().hex, f"{uuid.uuid4().hex}.csv"):
        answer = put_set(first_bytes + b"\0" * 100_000, name)

        assert answer.status_code == 422
        assert told in answer.json()["errors"]["body"][0]
        assert evaluations.get(f"{DATASETS}/{name}").status_code == 404
