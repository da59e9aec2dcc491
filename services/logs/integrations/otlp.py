"""OpenTelemetry's export of logs over HTTP: a request's records read, translated, and the answer in its own format."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from services.logs.integrations.otlp_records import points_of, refusal_of, sent_at, translate
from services.logs.lines.parse import MAX_BATCH_LINES, NewBatch
from services.logs.metrics.parse import MAX_VALUES
from services.logs.metrics.points import NewPoint
from shared.errors import BadRequest, TooLarge, Unprocessable, UnsupportedMediaType
from shared.http import strict_json
from shared.pacing import yielding
from shared.timestamps import to_micros

PROTOBUF = "application/x-protobuf"
JSON = "application/json"

_RECORDS_A_TURN = 50
"""In JSON some five milliseconds, for its messages are decoded in Python."""

Record = tuple[str, LogRecord]
"""A record, with the name of the scope that it is from."""


@dataclass(frozen=True)
class Export:
    """A request's records as lines, and the metrics that they carry; of ``refused`` ones a line says why.

    ``key`` finds an exporter's second try stored already; None where records without a time could be meant twice.
    """

    batch: NewBatch
    points: list[NewPoint]
    key: str | None
    refused: list[str]


def read_export(body: bytes, media_type: str) -> Export:
    """Return a request's records, translated; BadRequest, TooLarge or UnsupportedMediaType says why not.

    An exporter gives a batch up at each of these, and would at each other time, too.
    """
    now = to_micros(datetime.now(UTC))
    records = _read_records(body, media_type)
    if len(records) > MAX_BATCH_LINES:
        raise TooLarge(f"A batch has at most {MAX_BATCH_LINES} log records.")
    lines, found, refused = [], [], []
    for scope, record in yielding(records, _RECORDS_A_TURN):
        line = translate(scope, record, now)
        if isinstance(line, str):
            refused.append(line)
            line = refusal_of(line, record, now)
        else:
            found += points_of(record, now)
        lines.append(line)
    if len(found) > MAX_VALUES:
        raise TooLarge(f"A batch has at most {MAX_VALUES} values of metrics.")
    is_timed = all(sent_at(record) for _, record in records)
    key = f"otlp-{hashlib.sha256(body).hexdigest()}" if is_timed else None
    return Export(NewBatch(lines, single=False, body=body), found, key, refused)


def write_answer(export: Export, media_type: str) -> bytes:
    """Return the response in the request's format; of refused records it has the number and the first reason."""
    answer = ExportLogsServiceResponse()
    if export.refused:
        answer.partial_success.rejected_log_records = len(export.refused)
        answer.partial_success.error_message = export.refused[0]
    if media_type == PROTOBUF:
        return bytes(answer.SerializeToString())
    return str(json_format.MessageToJson(answer, indent=None)).encode()


def _read_records(body: bytes, media_type: str) -> list[Record]:
    if media_type == JSON:
        return list(yielding(_read_json(body), _RECORDS_A_TURN))
    if media_type != PROTOBUF:
        raise UnsupportedMediaType(f"The body must be {PROTOBUF} or {JSON}.")
    try:
        request = ExportLogsServiceRequest.FromString(body)
    except DecodeError as error:
        raise BadRequest(f"The body is no ExportLogsServiceRequest: {error}.") from error
    scopes = (scope for resource in request.resource_logs for scope in resource.scope_logs)
    return [(scope.scope.name, record) for scope in scopes for record in scope.log_records]


def _read_json(body: bytes) -> Iterator[Record]:
    """Yield the records of a JSON body one by one, so that others get their turn in between."""
    request = strict_json.loads(body)
    for resource in _objects({"body": [request]}, "body"):
        for logs in _objects(resource, "resourceLogs"):
            for scope_logs in _objects(logs, "scopeLogs"):
                scope = scope_logs.get("scope") or {}
                name = scope.get("name", "") if isinstance(scope, dict) else None
                if not isinstance(name, str):
                    raise Unprocessable.field("scope.name", "Must be a string.")
                for record in _objects(scope_logs, "logRecords"):
                    yield name, _parse_record(record)


def _objects(parent: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = parent.get(name) or []
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise Unprocessable.field(name, "Must be a list of objects." if name != "body" else "Must be an object.")
    return found


def _parse_record(record: dict[str, Any]) -> LogRecord:
    # In OTLP's JSON the ids are hexadecimal, which the decoder of messages does not know; nothing here wants them.
    known = {name: value for name, value in record.items() if name not in ("traceId", "spanId")}
    try:
        parsed: LogRecord = json_format.ParseDict(known, LogRecord(), ignore_unknown_fields=True)
    except json_format.ParseError as error:
        raise BadRequest(f"A log record is not as OTLP has it: {error}.") from error
    return parsed
