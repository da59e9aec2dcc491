"""POST /api/v1/jobs/:id/otlp/v1/logs, with requests as OpenTelemetry's exporters send them"""

import gzip
import json
import socket
import threading
from urllib.parse import urlsplit

import pytest
import requests
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, SeverityNumber

from tests.support.databases import on, one_database

AT = 1_771_497_045_123_456_789
PROTOBUF = {"Content-Type": "application/x-protobuf"}
MAX_MESSAGE = 256 * 1024


def value_of(value):
    kinds = {bool: "bool_value", int: "int_value", float: "double_value", str: "string_value", bytes: "bytes_value"}
    if isinstance(value, dict):
        return AnyValue(kvlist_value=KeyValueList(values=attributes(value)))
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=[value_of(item) for item in value]))
    return AnyValue() if value is None else AnyValue(**{kinds[type(value)]: value})


def attributes(values):
    return [KeyValue(key=name, value=value_of(value)) for name, value in values.items()]


def record(body="text", /, *, severity=9, at=AT, **fields):
    return LogRecord(
        time_unix_nano=at,
        severity_number=severity,
        body=value_of(body),
        attributes=attributes(fields),
        trace_id=bytes(16),
        span_id=bytes(8),
    )


def export_of(*records, scope="train"):
    request = ExportLogsServiceRequest()
    resource = request.resource_logs.add()
    resource.resource.attributes.extend(attributes({"service.name": "trainer", "process.pid": 7}))
    logs = resource.scope_logs.add()
    logs.scope.name = scope
    logs.log_records.extend(records)
    return request.SerializeToString()


@pytest.fixture
def send(logs):
    """Send a request's bytes and return the answer."""

    def send(job, body, **headers):
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return logs.post(f"/api/v1/jobs/{job}/otlp/v1/logs", data=body, headers=PROTOBUF | names)

    return send


@pytest.fixture
def export(send):
    """Export records and return the response's message."""

    def export(job, *records, **fields):
        answer = send(job, export_of(*records, **fields))
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, PROTOBUF["Content-Type"]), answer.text
        return ExportLogsServiceResponse.FromString(answer.content)

    return export


@pytest.fixture
def lines(logs):
    """Return (level, source, message) of each line of a job."""

    def lines(job):
        page = logs.get(f"/api/v1/jobs/{job}/logs?limit=1000").json()
        return [(line["level"], line["source"], line["message"]) for line in page["logs"]]

    return lines


@pytest.fixture
def curves(logs):
    def curves(job):
        shown = logs.get(f"/api/v1/jobs/{job}/metrics").json()
        return shown["source"], {
            series["name"]: [(step, value) for step, value, _, _ in series["points"]] for series in shown["series"]
        }

    return curves


def test_it_works(logs, job, export, lines):
    answer = export(job, record("Loading"), record("Careful", severity=13))

    assert answer == ExportLogsServiceResponse()
    assert lines(job) == [("info", "train", "Loading"), ("warn", "train", "Careful")]
    page = logs.get(f"/api/v1/jobs/{job}/logs?limit=1").json()
    assert page["logs"][0]["timestamp"] == "2026-02-19T10:30:45.123456Z"


def test_json_is_answered_in_json(logs, job, lines):
    """Ids are hexadecimal there, and numbers of 64 bits are strings."""
    record = {
        "timeUnixNano": str(AT),
        "observedTimeUnixNano": AT,
        "severityNumber": 17,
        "severityText": "ERROR",
        "body": {"stringValue": "Out of memory"},
        "attributes": [{"key": "step", "value": {"intValue": "7"}}, {"key": "loss", "value": {"doubleValue": "NaN"}}],
        "traceId": "5b8efff798038103d269b633813fc60c",
        "spanId": "eee19b7ec3c1b174",
        "newField": 1,
    }
    scopes = [{"scope": {"name": "cuda"}, "logRecords": [record]}, {"logRecords": [{}]}]
    body = {"resourceLogs": [{"resource": {"attributes": []}, "scopeLogs": scopes}]}
    answer = logs.post(f"/api/v1/jobs/{job}/otlp/v1/logs", json=body)
    assert (answer.status_code, answer.json(), answer.headers["Content-Type"]) == (200, {}, "application/json")
    assert lines(job) == [("error", "cuda", "Out of memory"), ("info", "kernel", "")]
    body["resourceLogs"][0]["scopeLogs"][0]["logRecords"] = [{**record, "body": {"stringValue": "x" * 300_000}}]
    partial = logs.post(f"/api/v1/jobs/{job}/otlp/v1/logs", json=body).json()["partialSuccess"]
    assert (partial["rejectedLogRecords"], "262144" in partial["errorMessage"]) == ("1", True)


def test_severities_are_levels(job, export, lines):
    export(job, *(record(str(number), severity=number) for number in range(25)))
    levels = [level for level, _, _ in lines(job)]
    assert levels == ["info", *["debug"] * 8, *["info"] * 4, *["warn"] * 4, *["error"] * 8]
    by_text = LogRecord(severity_text="Warning", severity_number=SeverityNumber.SEVERITY_NUMBER_UNSPECIFIED)
    export(job, by_text)
    assert lines(job)[-1] == ("warn", "train", "")


def test_bodies_of_every_kind_are_text(job, export, lines):
    bodies = [{"a": [1, None, {"b": "ü"}]}, ["x", 1.5], True, 7, 1.5, b"\x00\xff", None]
    export(job, *(record(body) for body in bodies), LogRecord(event_name="epoch.end", time_unix_nano=AT))
    shown = ['{"a": [1, null, {"b": "ü"}]}', '["x", 1.5]', "true", "7", "1.5", "AP8=", "null", "epoch.end"]
    assert [message for _, _, message in lines(job)] == shown


def test_an_exception_follows_its_message(job, export, lines):
    stacktrace = "Traceback (most recent call last):\n  …\nValueError: no\n"
    export(
        job,
        record("It failed", **{"exception.type": "ValueError", "exception.stacktrace": stacktrace}),
        record("So did it", **{"exception.type": "ValueError", "exception.message": "no"}),
    )
    assert [message for _, _, message in lines(job)] == [
        f"It failed\n{stacktrace.rstrip()}",
        "So did it\nValueError: no",
    ]


def test_numbers_with_a_step_are_metrics(job, export, curves, lines):
    noise = {"code.line.number": 42, "thread.id": 7, "flag": True, "phase": "train", "text": "1.5"}
    export(
        job,
        record("a", step=10, loss=0.5, epoch=1, **noise),
        record("b", global_step=20, loss=float("nan"), lr=1e-5),
        record("no step", loss=9.0),
        record("no integer", step=1.5, loss=9.0),
        record("negative", step=-1, loss=9.0),
    )
    assert curves(job) == (
        "reported",
        {"epoch": [(10, 1.0)], "loss": [(10, 0.5), (20, "NaN")], "lr": [(20, 1e-5)]},
    )
    assert len(lines(job)) == 5


def test_a_second_try_adds_nothing(job, send, lines, curves):
    """An exporter tries again after a time-out, and nothing tells it that the first try came through."""
    body = export_of(record("once", step=1, loss=2.0), record("and again"))
    answers = [send(job, body), send(job, gzip.compress(body), Content_Encoding="gzip"), send(job, body)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert len(lines(job)) == 2
    assert curves(job)[1] == {"loss": [(1, 2.0)]}


def test_records_without_a_time_are_never_taken_for_a_second_try(job, export, lines):
    for _ in range(2):
        export(job, record("tick", at=0))
    assert len(lines(job)) == 2


def test_what_can_be_no_line_is_refused_and_the_log_says_so(job, export, lines):
    """Python's exporter reads no partial success: without the line nobody would know."""
    answer = export(job, record("before"), record("x" * (MAX_MESSAGE + 1)), record("nul\0"), record("after"))
    assert answer.partial_success.rejected_log_records == 2
    assert "262144" in answer.partial_success.error_message
    shown = lines(job)
    assert [message for _, _, message in shown[::3]] == ["before", "after"]
    assert [(level, source) for level, source, _ in shown[1:3]] == [("error", "tunedeck")] * 2
    assert str(MAX_MESSAGE + 1) in shown[1][2]
    assert "NUL" in shown[2][2]
    export(job, record("x" * MAX_MESSAGE), record("long scope"), scope="s" * 255)
    assert export(job, record("long scope"), scope="s" * 256).partial_success.rejected_log_records == 1
    assert [len(message) for _, _, message in lines(job)[4:5]] == [MAX_MESSAGE]


def test_an_empty_export_is_a_success(job, export, send, lines):
    assert export(job) == ExportLogsServiceResponse()
    assert send(job, b"").status_code == 200
    assert lines(job) == []


def test_it_is_a_sign_of_life_and_is_streamed(logs, job, export, read_stream):
    export(job, record("live"))
    assert b"[INFO] live" in read_stream(job, until=b"live")
    assert logs.get(f"/api/v1/jobs/{job}").json()["last_seen_at"] is not None


@pytest.mark.parametrize("sent", [0, 40])
def test_of_a_request_that_breaks_off_nothing_is_stored(logs, job, lines, sent):
    body = export_of(record("half"), record("a request"))
    address = urlsplit(logs.url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as client:
        head = f"POST /api/v1/jobs/{job}/otlp/v1/logs HTTP/1.1\r\nHost: localhost\r\n"
        head += f"Content-Type: {PROTOBUF['Content-Type']}\r\n"
        client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:sent])
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100).startswith(b"HTTP/1.1 400 ")
    assert lines(job) == []


def test_many_exporters_at_once(logs, job, lines):
    def run(rank):
        body = export_of(*(record(f"{rank}-{n}") for n in range(50)), scope=f"rank{rank}")
        with requests.Session() as session:
            for _ in range(3):  # each batch three times, as if every answer had been lost
                url = f"{logs.url}/api/v1/jobs/{job}/otlp/v1/logs"
                statuses.append(session.post(url, data=body, headers=PROTOBUF, timeout=30).status_code)

    statuses = []
    ranks = [threading.Thread(target=run, args=(rank,)) for rank in range(8)]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join()
    assert statuses == [200] * 24
    assert sorted(message for _, _, message in lines(job)) == sorted(f"{r}-{n}" for r in range(8) for n in range(50))


@on("sqlite")
def test_ten_thousand_records_are_a_batch(logs, job, send):
    records = [record(f"line {n}") for n in range(10_001)]
    assert send(job, export_of(*records[1:])).status_code == 200
    assert logs.get(f"/api/v1/jobs/{job}/logs?limit=1&order=desc").json()["logs"][0]["ID"] == 10_000
    assert send(job, export_of(*records)).status_code == 413
    assert (
        send(job, export_of(*(record("x", step=n, **{f"m{m}": 1 for m in range(101)}) for n in range(100)))).status_code
        == 413
    )


@one_database
def test_what_can_never_be_taken_is_no_reason_to_retry(logs, job, send):
    """Exporters retry 429, 502, 503 and 504, and give up at anything else."""
    good = export_of(record())
    assert send(job, b"\xff\xfe\xfd").status_code == 400
    assert send(job, good[:-3]).status_code == 400
    assert send(job, good.replace(b"text", b"\xff\xff\xff\xff")).status_code == 400
    assert send(job, b"no gzip", Content_Encoding="gzip").status_code == 400
    assert send(job, good, Content_Encoding="deflate").status_code == 415
    assert send(job, good, Content_Type="text/plain").status_code == 415
    assert send(job, bytes(8 * 2**20 + 1)).status_code == 413
    assert send(job, gzip.compress(bytes(9 * 2**20)), Content_Encoding="gzip").status_code == 413
    assert send(10**9, good).status_code == 404
    assert send(10**9, b"").status_code == 404
    logs.delete(f"/api/v1/jobs/{job}/logs")
    assert send(job, good).status_code == 410


@one_database
@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("{", 400),
        ('{"resourceLogs": NaN}', 400),
        ("[]", 422),
        ('{"resourceLogs": {"a": 1}}', 422),
        ('{"resourceLogs": [1]}', 422),
        ('{"resourceLogs": [{"scopeLogs": [{"scope": {"name": 7}}]}]}', 422),
        ('{"resourceLogs": [{"scopeLogs": [{"scope": "x"}]}]}', 422),
        ('{"resourceLogs": [{"scopeLogs": [{"logRecords": [7]}]}]}', 422),
        ("text: a\\u0000", 422),
        ("text: \\ud800", 422),
        ('{"body": {"stringValue": 7}}', 400),
        ('{"body": {"intValue": "x"}}', 400),
        ('{"attributes": {"a": 1}}', 400),
        ('{"attributes": [null]}', 400),
        ('{"attributes": [{"key": {}}]}', 400),
        ('{"severityNumber": 99999999999}', 400),
        ('{"timeUnixNano": -1}', 400),
        ('{"timeUnixNano": "99999999999999999999999"}', 400),
        ('{"timeUnixNano": 1e400}', 400),
        ('{"body": ' + '{"arrayValue": {"values": [' * 60 + "]}}" * 60 + "}", 400),
    ],
)
def test_it_rejects_bad_json(logs, job, body, status):
    if body.startswith("text: "):
        body = f'{{"body": {{"stringValue": "{body.removeprefix("text: ")}"}}}}'
    if body.startswith(('{"body', '{"attr', '{"sev', '{"time')):
        body = f'{{"resourceLogs": [{{"scopeLogs": [{{"logRecords": [{body}]}}]}}]}}'
    answer = logs.post(f"/api/v1/jobs/{job}/otlp/v1/logs", data=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (status, status), answer.text


@one_database
def test_nothing_nested_deep_is_a_500(logs, job, send):
    value = AnyValue(string_value="x")
    for _ in range(45):
        value = AnyValue(array_value=ArrayValue(values=[value]))
    assert send(job, export_of(LogRecord(body=value, time_unix_nano=AT))).status_code in (200, 400)
    nested = json.dumps({"resourceLogs": []})[:-2] + "[" * 5_000
    answer = logs.post(f"/api/v1/jobs/{job}/otlp/v1/logs", data=nested, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
