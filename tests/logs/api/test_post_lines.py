"""POST /api/v1/jobs/:id/logs"""

import gzip
import io
import json
import socket
import struct
import threading
import time
import uuid
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
import requests

from tests.support.databases import one_database

KIB = 1024
MIB = 1024 * KIB
NDJSON = "application/x-ndjson"


@pytest.fixture
def post(logs, job):
    """POST a value, or bytes as they are, and return the answer."""

    def post(body, media_type="application/json", to=job, **headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return logs.post(f"/api/v1/jobs/{to}/logs", data=data, headers={"Content-Type": media_type} | names)

    return post


@pytest.fixture
def stored(logs, job):
    """Return all lines of the job."""

    def stored():
        lines, more = [], True
        while more:
            page = logs.get(f"/api/v1/jobs/{job}/logs?limit=1000&after={len(lines)}").json()
            lines += page["logs"]
            more = page["has_more"]
        assert [line["ID"] for line in lines] == list(range(1, len(lines) + 1))
        return lines

    return stored


def test_it_works(logs, job, post, stored):
    before = datetime.now(UTC)
    answer = post({"level": "info", "message": "Training epoch 1 completed", "source": "kernel"})

    assert answer.status_code == 201
    line = answer.json()
    assert list(line) == ["ID", "job_id", "level", "message", "source", "timestamp"]
    expected = {"ID": 1, "job_id": job, "level": "info", "message": "Training epoch 1 completed", "source": "kernel"}
    assert line.items() >= expected.items()
    assert before <= datetime.fromisoformat(line["timestamp"]) <= datetime.now(UTC)
    assert stored() == [line]
    assert logs.get(answer.headers["Location"]).json()["logs"] == [line]


def test_it_takes_a_batch(post, stored):
    answer = post({"logs": [{"message": "one"}, {"message": "two", "level": "ERROR"}]})
    again = post({"logs": [{"message": "three"}]})

    assert answer.status_code == again.status_code == 201
    assert answer.json() == {"count": 2, "first_id": 1, "last_id": 2}
    assert again.json() == {"count": 1, "first_id": 3, "last_id": 3}
    assert [(line["message"], line["level"]) for line in stored()] == [
        ("one", "info"),
        ("two", "error"),
        ("three", "info"),
    ]


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n\r\n \t\n"])
def test_it_takes_ndjson(post, stored, end):
    answer = post(b'{"message": "one"}\r\n\n {"message": "two"} ' + end, NDJSON)

    assert answer.status_code == 201
    assert answer.json() == {"count": 2, "first_id": 1, "last_id": 2}
    assert [line["message"] for line in stored()] == ["one", "two"]


def test_a_source_and_a_level_default(post):
    line = post({"message": "x"}).json()

    assert (line["level"], line["source"]) == ("info", "kernel")


@pytest.mark.parametrize(
    ("sent", "level"),
    [
        ("debug", "debug"),
        ("Info", "info"),
        ("WARN", "warn"),
        ("Warning", "warn"),
        ("error", "error"),
        ("CRITICAL", "error"),
        ("fatal", "error"),
    ],
)
def test_it_reads_levels(post, sent, level):
    assert post({"message": "x", "level": sent}).json()["level"] == level


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("2024-02-19T10:30:45Z", "2024-02-19T10:30:45Z"),
        ("2024-02-19T10:30:45.123456Z", "2024-02-19T10:30:45.123456Z"),
        ("2024-02-19T10:30:45.000000Z", "2024-02-19T10:30:45Z"),
        ("2024-02-19T10:30:45.5Z", "2024-02-19T10:30:45.500000Z"),
        ("2024-02-19T10:30:45.123456789Z", "2024-02-19T10:30:45.123456Z"),
        ("2024-02-19t10:30:45z", "2024-02-19T10:30:45Z"),
        ("2024-02-19 10:30:45+00:00", "2024-02-19T10:30:45Z"),
        ("2024-02-19T10:30:45+05:30", "2024-02-19T05:00:45Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
        ("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"),
    ],
)
def test_it_keeps_a_timestamp_in_utc(post, stored, sent, shown):
    assert post({"message": "x", "timestamp": sent}).json()["timestamp"] == shown
    assert stored()[0]["timestamp"] == shown


def test_no_timestamp_is_now(post):
    assert post({"message": "x", "timestamp": None}).json()["timestamp"][:4] >= "2024"


ODD_TEXTS = [
    "",
    " ",
    "\n",
    "a\r\nb\rc\n",
    "\u2028\u0085\x0b\x0c\x1c",
    "\ufeffBOM",
    "😀 \U0010ffff",
    "\x01\x7f\x1b[31m",
    "id: 9\n\ndata: x",
    "\\N\t\\.",
    "e\u0301",
]


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_it_keeps_every_character(post, stored, text):
    assert post({"message": text, "source": text[:255] or "x"}).json()["message"] == text
    assert post(json.dumps({"message": text}, ensure_ascii=False).encode(), NDJSON).status_code == 201
    assert [line["message"] for line in stored()] == [text, text]


def test_a_finished_job_still_takes_lines(job, put, post):
    put(job, status="failed")

    assert post({"message": "last words"}).status_code == 201


@one_database
@pytest.mark.parametrize(
    ("line", "field"),
    [
        ({}, "message"),
        ({"message": None}, "message"),
        ({"message": 1}, "message"),
        ({"message": "a\0"}, "message"),
        ({"message": "\ud800"}, "message"),
        ({"message": "x", "level": "loud"}, "level"),
        ({"message": "x", "level": None}, "level"),
        ({"message": "x", "level": 1}, "level"),
        ({"message": "x", "level": ""}, "level"),
        ({"message": "x", "source": ""}, "source"),
        ({"message": "x", "source": "x" * 256}, "source"),
        ({"message": "x", "source": None}, "source"),
        ({"message": "x", "source": "\udfff"}, "source"),
        ({"message": "x", "timestamp": 0}, "timestamp"),
        ({"message": "x", "timestamp": "2024-02-19T10:30:45"}, "timestamp"),
        ({"message": "x", "timestamp": "2024-02-30T10:30:45Z"}, "timestamp"),
        ({"message": "x", "timestamp": "2024-02-19T10:30:60Z"}, "timestamp"),
        ({"message": "x", "timestamp": "2024-02-19T24:00:00Z"}, "timestamp"),
        ({"message": "x", "timestamp": "2024-02-19"}, "timestamp"),
        ({"message": "x", "timestamp": "2024-W08-1T10:30:45.000000Z"}, "timestamp"),
        ({"message": "x", "timestamp": "0001-01-01T00:00:00+01:00"}, "timestamp"),
        ({"message": "x", "timestamp": "٢٠٢٤-02-19T10:30:45Z"}, "timestamp"),
        ({"message": "x", "ID": 1}, "ID"),
        ({"message": "x", "job_id": 1}, "job_id"),
        ({"message": "x", "\0": 1}, "body"),
    ],
)
def test_it_rejects_a_bad_line(post, stored, line, field):
    single = post(line)
    batch = post({"logs": [{"message": "good"}, line]})
    ndjson = post(b'{"message": "good"}\n' + json.dumps(line).encode(), NDJSON)

    assert (single.status_code, batch.status_code, ndjson.status_code) == (422, 422, 422)
    assert list(single.json()["errors"]) == [field]
    assert list(batch.json()["errors"])[0].startswith("logs.1")
    assert stored() == []


@one_database
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"logs": []}, "logs"),
        ({"logs": {}}, "logs"),
        ({"logs": None}, "logs"),
        ({"logs": [1]}, "logs.0"),
        ({"logs": [None]}, "logs.0"),
        ({"logs": [{"message": "x"}], "message": "x"}, "message"),
        ([], "body"),
        ([{"message": "x"}], "body"),
        ("x", "body"),
        (None, "body"),
        (7, "body"),
    ],
)
def test_it_rejects_a_bad_body(post, body, field):
    answer = post(body)

    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == [field]


@one_database
@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b"", "application/json"),
        (b"{", "application/json"),
        (b'{"message": NaN}', "application/json"),
        (b'{"message": "\xff"}', "application/json"),
        (b'\xef\xbb\xbf{"message": "x"}', "application/json"),
        (b"[" * 1_000_000, "application/json"),
        (b'{"logs": ' + b"[" * 1_000_000, "application/json"),
        (b'{"message": "x"}\n{"mess', NDJSON),
        (b'{"message": "x"} {"message": "y"}', NDJSON),
        (b'{"message": "a\nb"}', NDJSON),
        (b'{"message": "x"}\n' + b"[" * 1_000_000, NDJSON),
        (b"9" * 5_000, "application/json"),
    ],
)
def test_it_rejects_what_is_no_json(post, stored, body, media_type):
    assert post(body, media_type).status_code == 400
    assert stored() == []


def test_an_empty_ndjson_has_no_line(post):
    assert [post(body, NDJSON).status_code for body in (b"", b"\n", b" \r\n")] == [422, 422, 422]


@one_database
@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "application/json2", "application/ndjson", ""]
)
def test_it_rejects_another_media_type(post, media_type):
    assert post({"message": "x"}, media_type).status_code == 415


def test_a_charset_changes_nothing(post):
    assert post({"message": "x"}, "Application/JSON; charset=latin-1").status_code == 201


def test_it_rejects_an_unknown_job(post):
    answer = post({"message": "x"}, to=2**62)

    assert answer.status_code == 404
    assert answer.json()["message"] == f"There is no job {2**62}."


def test_it_rejects_other_methods(logs, job):
    answer = logs.put(f"/api/v1/jobs/{job}/logs")

    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) >= {"GET", "HEAD", "POST", "DELETE"}


@one_database
class TestLimits:
    @pytest.mark.parametrize("character", ["x", "é", "😀"])
    def test_a_message_has_256_kib(self, post, stored, character):
        fits = character * (256 * KIB // len(character.encode()))

        assert post({"message": fits}).json()["message"] == fits
        assert post({"message": fits + "x"}).status_code == 413
        assert post({"logs": [{"message": fits + "x"}]}).status_code == 413
        assert [line["message"] for line in stored()] == [fits]

    def test_a_batch_has_10000_lines(self, post, stored):
        line = b'{"message": ""}\n'

        assert post(line * 10_001, NDJSON).status_code == 413
        assert post({"logs": [{"message": ""}] * 10_001}).status_code == 413
        assert stored() == []
        assert post(line * 10_000, NDJSON).json() == {"count": 10_000, "first_id": 1, "last_id": 10_000}

    def test_a_batch_has_8_mib(self, post):
        line = b'{"message": "%s"}\n' % (b"x" * 100_000)
        exact = (line * 83)[: 8 * MIB]
        exact += b"\n" * (8 * MIB - len(exact))

        assert post(exact, NDJSON).json()["count"] == 83
        assert post(exact, NDJSON, Content_Encoding="identity").status_code == 201
        too_long = post(exact + b"\n", NDJSON)
        assert too_long.status_code == 413
        assert too_long.headers["Connection"] == "close"

    def test_a_single_line_has_1_mib(self, post):
        exact = b'{"message": "x"%s}' % (b" " * (MIB - 16))

        assert (len(exact), post(exact).status_code) == (MIB, 201)
        assert post(exact + b" ").status_code == 413

    def test_a_chunked_body_counts_as_it_comes(self, logs, job):
        url, headers = f"/api/v1/jobs/{job}/logs", {"Content-Type": NDJSON}

        fits = logs.post(url, data=iter([b'{"message": "x"}', b"\n" * (8 * MIB - 16)]), headers=headers)
        above = logs.post(url, data=iter([b'{"message": "x"}', b"\n" * (8 * MIB - 15)]), headers=headers)

        assert (fits.status_code, above.status_code) == (201, 413)

    def test_a_flood_of_tiny_values_holds_up_nobody(self, post):
        started = time.monotonic()

        assert post(b"1\n" * (4 * MIB), NDJSON).status_code == 413
        assert time.monotonic() - started < 20


class TestGzip:
    @pytest.mark.parametrize("coding", ["gzip", "GZIP", "x-gzip"])
    def test_it_is_unpacked(self, post, stored, coding):
        answer = post(gzip.compress(b'{"message": "x"}\n' * 1000), NDJSON, Content_Encoding=coding)

        assert answer.json() == {"count": 1000, "first_id": 1, "last_id": 1000}
        assert len(stored()) == 1000

    def test_members_are_joined(self, post):
        body = gzip.compress(b'{"mess') + gzip.compress(b'age": "x"}') + gzip.compress(b"")

        assert post(body, Content_Encoding="gzip").json()["message"] == "x"

    @one_database
    def test_the_limit_is_of_what_is_unpacked(self, post):
        exact = b'{"message": "x"}' + b"\n" * (8 * MIB - 16)

        assert post(gzip.compress(exact), NDJSON, Content_Encoding="gzip").status_code == 201
        assert post(gzip.compress(exact + b"\n"), NDJSON, Content_Encoding="gzip").status_code == 413

    @one_database
    def test_a_bomb_is_refused_at_once(self, post):
        packed = io.BytesIO()
        with gzip.GzipFile(fileobj=packed, mode="wb") as file:
            for _ in range(256):
                file.write(bytes(MIB))
        started = time.monotonic()

        assert post(packed.getvalue(), NDJSON, Content_Encoding="gzip").status_code == 413
        assert time.monotonic() - started < 20

    @one_database
    def test_a_crowd_of_empty_members_is_refused_at_once(self, post):
        member = gzip.compress(b"")
        started = time.monotonic()

        answer = post(member * (8 * MIB // len(member)), NDJSON, Content_Encoding="gzip")

        assert answer.status_code == 400
        assert time.monotonic() - started < 20

    @one_database
    @pytest.mark.parametrize(
        "body",
        [b"", b"x", gzip.compress(b'{"message": "x"}')[:-1], gzip.compress(b'{"message": "x"}') + b"x"],
        ids=["empty", "plain", "cut off", "followed"],  # gzip holds the time, which would differ in every process
    )
    def test_it_rejects_what_is_no_gzip(self, post, body):
        assert post(body, Content_Encoding="gzip").status_code == 400

    @one_database
    @pytest.mark.parametrize("coding", ["br", "deflate", "gzip, gzip", "zstd"])
    def test_it_rejects_another_coding(self, post, coding):
        assert post(b"x", Content_Encoding=coding).status_code == 415


class TestIdempotencyKey:
    def test_a_repeat_adds_nothing(self, post, stored):
        body = {"logs": [{"message": "one"}, {"message": "two"}]}
        first = post(body, Idempotency_Key="k")
        repeat = post(body, Idempotency_Key="k")

        assert (first.status_code, repeat.status_code) == (201, 201)
        assert repeat.content == first.content
        assert repeat.headers["Location"] == first.headers["Location"]
        assert "Idempotent-Replayed" not in first.headers
        assert repeat.headers["Idempotent-Replayed"] == "true"
        assert len(stored()) == 2

    def test_a_repeated_line_shows_as_it_was_stored(self, post):
        first = post({"message": "x"}, Idempotency_Key="k")
        post({"message": "between"})
        repeat = post({"message": "x"}, Idempotency_Key="k")

        assert repeat.json() == first.json()

    def test_the_packing_does_not_count(self, post, stored):
        body = b'{"message": "x"}'
        post(body, Idempotency_Key="k")

        assert post(gzip.compress(body), Content_Encoding="gzip", Idempotency_Key="k").status_code == 201
        assert len(stored()) == 1

    def test_it_rejects_another_body(self, post, stored):
        post({"message": "x"}, Idempotency_Key="k")

        other = post({"message": "y"}, Idempotency_Key="k")
        as_batch = post(b'{"message": "x"}', NDJSON, Idempotency_Key="k")

        assert (other.status_code, as_batch.status_code) == (422, 422)
        assert list(other.json()["errors"]) == ["Idempotency-Key"]
        assert len(stored()) == 1

    def test_a_refused_body_does_not_use_it_up(self, post):
        assert post({"message": 1}, Idempotency_Key="k").status_code == 422
        assert post({"message": "1"}, Idempotency_Key="k").status_code == 201

    def test_it_is_its_jobs_own(self, post, new_job):
        other = new_job()

        assert post({"message": "x"}, Idempotency_Key="k").json()["ID"] == 1
        answer = post({"message": "y"}, to=other, Idempotency_Key="k")
        assert (answer.json()["ID"], answer.json()["message"]) == (1, "y")

    @one_database
    @pytest.mark.parametrize("key", ["", "a b", "x" * 256, "a\tb", "é", "a\x7f", "\x01"])
    def test_it_rejects_a_bad_key(self, post, key):
        # Control characters do not get past gunicorn, which answers 400 in its own words.
        assert post({"message": "x"}, Idempotency_Key=key.encode("latin-1")).status_code in (400, 422)

    def test_the_longest_key(self, post):
        key = "".join(map(chr, range(33, 127)))[:94] * 3

        assert post({"message": "x"}, Idempotency_Key=key[:255]).status_code == 201

    def test_twins_in_flight_are_stored_once(self, logs, job, stored):
        """The same batches race on both workers, each over connections of its own."""
        answers = []
        barrier = threading.Barrier(8)

        def send():
            barrier.wait()
            for number in range(10):
                # Without a session each goes by a new connection, to whichever worker takes it.
                answer = requests.post(
                    f"{logs.url}/api/v1/jobs/{job}/logs",
                    json={"logs": [{"message": f"{number}.{line}"} for line in range(5)]},
                    headers={"Idempotency-Key": f"batch-{number}"},
                    timeout=30,
                )
                answers.append((number, answer.status_code, answer.json()["first_id"], answer.json()["count"]))

        senders = [threading.Thread(target=send) for _ in range(8)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()

        assert len(answers) == 80
        assert len(set(answers)) == 10
        assert {status for _, status, _, _ in answers} == {201}
        lines = [line["message"] for line in stored()]
        assert len(lines) == 50
        for number, _, first_id, _ in set(answers):
            assert lines[first_id - 1 : first_id + 4] == [f"{number}.{line}" for line in range(5)]


def test_many_writers_get_numbers_without_a_hole(logs, job, stored):
    answers = []

    def write(name):
        with requests.Session() as session:
            for number in range(25):
                message = f"{name} {number} {uuid.uuid4()}"
                url = f"{logs.url}/api/v1/jobs/{job}/logs"
                answer = session.post(url, json={"message": message}, timeout=30)
                assert answer.status_code == 201
                answers.append((answer.json()["ID"], message))

    writers = [threading.Thread(target=write, args=(name,)) for name in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    assert [(line["ID"], line["message"]) for line in stored()] == sorted(answers)


class TestBadBodies:
    """What no HTTP library would send."""

    @staticmethod
    def talk(logs, *parts, hang_up=False):
        address = urlsplit(logs.url)
        with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
            for part in parts:
                connection.sendall(part)
            if hang_up:
                connection.shutdown(socket.SHUT_WR)
            return connection.recv(65536)

    def test_a_body_that_breaks_off_stores_nothing(self, logs, job, stored):
        head = b"POST /api/v1/jobs/%d/logs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n" % job
        body = b'{"message": "x"}\n'

        self.talk(logs, head + b"Content-Length: 99\r\n\r\n" + body, hang_up=True)
        self.talk(logs, head + b"Transfer-Encoding: chunked\r\n\r\n11\r\n" + body + b"\r\n", hang_up=True)

        assert stored() == []

    def test_a_badly_chunked_body_is_400(self, logs, job, stored):
        head = b"POST /api/v1/jobs/%d/logs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n" % job

        answer = self.talk(logs, head + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n")

        assert answer.startswith(b"HTTP/1.1 400 ")
        assert stored() == []

    def test_head_and_body_of_a_refusal_leave_together(self, logs, job):
        """A gateway that still sends a body may close as soon as it has the head."""
        address = urlsplit(logs.url)
        head = b"POST /api/v1/jobs/%d/logs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n" % job
        chunk = b"%x\r\n" % (9 * MIB) + b"\n" * (9 * MIB) + b"\r\n"
        with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
            connection.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk + b"0\r\n\r\n")
            connection.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
            information = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 160)
        (segments,) = struct.unpack_from("I", information, 152)  # tcpi_data_segs_in of Linux's struct tcp_info

        assert answer.startswith(b"HTTP/1.1 413 ")
        assert segments == 1


def test_what_log_shippers_send_is_taken_if_asked(logs, job):
    """As Fluent Bit and Vector send it: fields of their own, a level that is none of ours."""
    shipped = [
        {"date": 1708338900.5, "log": "from fluent bit", "stream": "stdout", "level": "SEVERE"},
        {
            "message": "from vector",
            "timestamp": "2024-02-19T10:35:00Z",
            "host": "a",
            "source_type": "file",
            "level": 30,
        },
        {"message": "plain", "level": "WARNING"},
    ]
    body = "\n".join(map(json.dumps, shipped)).encode()
    path, kind = f"/api/v1/jobs/{job}/logs", {"Content-Type": "application/x-ndjson"}
    refused = logs.post(path, data=body, headers=kind)
    assert (refused.status_code, list(refused.json()["errors"])[0].split(".")[:2]) == (422, ["logs", "0"])
    assert logs.post(f"{path}?unknown=ignore", data=body, headers=kind).json()["count"] == 3
    stored = logs.get(path, params={"limit": 3}).json()["logs"]
    assert [(line["level"], line["message"]) for line in stored] == [
        ("info", "from fluent bit"),
        ("info", "from vector"),
        ("warn", "plain"),
    ]
    assert stored[1]["timestamp"] == "2024-02-19T10:35:00Z"
    assert logs.post(f"{path}?unknown=ignore", json={"msg": "no message"}).status_code == 422
    for query in ("unknown=drop", "unknown=ignore&unknown=ignore", "unknown="):
        assert logs.post(f"{path}?{query}", json={"message": "x"}).status_code == 422
