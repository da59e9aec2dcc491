"""POST /api/v1/jobs/:id/logs?unknown=ignore, with bodies as Fluent Bit and Vector send them (docs/log_shippers.md)"""

import gzip

import pytest

from tests.support.databases import one_database

NDJSON = {"Content-Type": "application/x-ndjson"}

FLUENT_BIT = (
    b'{"date":1771497045.123456,"log":"Epoch 1"}\n'
    b'{"date":1771497046.0,"log":"Epoch 2","file":"/var/log/train.log","level":"warn","source":"trainer"}\n'
)
"""The http output with `format json_lines`, of a tailed file and of one whose lines a parser read."""

FLUENT_BIT_ARRAY = b'[{"date":1771497045.123456,"log":"Epoch 1"},{"date":1771497046.0,"log":"Epoch 2"}]'
"""The same with `format json`; Vector's framing is such an array, too, where none is set."""

FLUENT_BIT_TIMED = b'{"timestamp":"2026-02-19T10:30:45.123456Z","log":"Epoch 1"}\n'
"""With `json_date_key timestamp` and `json_date_format iso8601`."""

VECTOR = (
    b'{"file":"/var/log/train.log","host":"gpu1","message":"Epoch 1","source_type":"file",'
    b'"timestamp":"2026-02-19T10:30:45.123456789Z"}\n'
    b'{"host":"gpu1","level":"NOTICE","message":"Epoch 2","timestamp":"2026-02-19T10:30:46.5Z"}\n'
)
"""The http sink with `encoding.codec = "json"` and `framing.method = "newline_delimited"`."""


@pytest.fixture
def ship(logs):
    def ship(job, body, query="?unknown=ignore", **headers):
        return logs.post(f"/api/v1/jobs/{job}/logs{query}", data=body, headers=NDJSON | headers)

    return ship


@pytest.fixture
def lines(logs):
    def lines(job):
        return logs.get(f"/api/v1/jobs/{job}/logs?limit=100").json()["logs"]

    return lines


def test_it_works_for_fluent_bit(job, ship, lines):
    answer = ship(job, FLUENT_BIT)
    assert (answer.status_code, answer.json()["count"]) == (201, 2)
    shown = [(line["level"], line["source"], line["message"]) for line in lines(job)]
    assert shown == [("info", "kernel", "Epoch 1"), ("warn", "trainer", "Epoch 2")]


def test_it_works_for_vector(job, ship, lines):
    answer = ship(job, gzip.compress(VECTOR), **{"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()["count"]) == (201, 2)
    shown = [(line["level"], line["message"], line["timestamp"]) for line in lines(job)]
    assert shown == [
        ("info", "Epoch 1", "2026-02-19T10:30:45.123456Z"),
        ("info", "Epoch 2", "2026-02-19T10:30:46.500000Z"),
    ]


def test_a_message_goes_before_a_log(job, ship, lines):
    ship(job, b'{"message":"the message","log":"the log"}')
    assert [line["message"] for line in lines(job)] == ["the message"]


def test_a_second_try_without_a_key_is_stored_twice(job, ship, lines):
    for _ in range(2):
        ship(job, FLUENT_BIT)
    assert len(lines(job)) == 4


def test_a_record_without_a_message_stops_its_batch(job, ship, lines):
    answer = ship(job, FLUENT_BIT + b'{"date":1771497046.0,"cpu":0.5}\n')
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["logs.2.message"])
    assert lines(job) == []


@pytest.mark.parametrize("body", [FLUENT_BIT_ARRAY, b"[" + b",".join(VECTOR.splitlines()) + b"]"])
def test_an_array_is_a_batch(job, ship, lines, body):
    answer = ship(job, body, **{"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["count"]) == (201, 2)
    assert [line["message"] for line in lines(job)] == ["Epoch 1", "Epoch 2"]


def test_the_shipper_s_time_is_kept_under_our_name(job, ship, lines):
    ship(job, FLUENT_BIT_TIMED)
    assert [line["timestamp"] for line in lines(job)] == ["2026-02-19T10:30:45.123456Z"]


@one_database
def test_it_rejects_other_formats_in_words(job, ship):
    """Without the parameter unknown fields are refused, and so is an array."""
    as_json = {"Content-Type": "application/json"}
    assert ship(job, FLUENT_BIT, query="").status_code == 422
    assert ship(job, FLUENT_BIT_ARRAY, query="", **as_json).status_code == 422
    assert ship(job, b"[]", **as_json).status_code == 422
    assert ship(job, b"[[]]", **as_json).status_code == 422
    assert ship(job, FLUENT_BIT_ARRAY).status_code == 422
    assert ship(job, VECTOR, **{"Content-Type": "text/plain"}).status_code == 415
    assert ship(job, b"\x92\xa3", **{"Content-Type": "application/msgpack"}).status_code == 415
    assert ship(10**9, VECTOR).status_code == 404
