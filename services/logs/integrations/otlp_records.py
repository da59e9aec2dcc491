"""OpenTelemetry's log records as log lines and metric points."""

from __future__ import annotations

import base64
import json
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from services.logs.lines.levels import LEVEL_NUMBERS
from services.logs.lines.parse import MAX_MESSAGE_BYTES, MAX_SOURCE, NewLine
from services.logs.metrics.points import NewPoint
from services.logs.metrics.trainer_lines import MAX_NAME_CHARS, STEP_NAMES
from shared.http.fields import MAX_ID
from shared.http.strict_json import text_problem

SOURCE = "tunedeck"

_SEVERITIES = ((17, "error"), (13, "warn"), (9, "info"), (1, "debug"))
"""The lowest number of each level, from OTLP's 1 (TRACE) to 24 (FATAL4)."""

_NO_METRICS = ("code.", "thread.", "process.", "log.", "exception.", "event.", "http.", "url.", "server.", "otel.")
"""What semantic conventions call numbers that are no measurement, a line of source code's say."""


def translate(scope: str, record: LogRecord, now: int) -> NewLine | str:
    """Return the line of a record, or why it can be none: nothing of it is cut."""
    message = "\n".join(part for part in (_message(record), _exception(record)) if part)
    size = len(message.encode())
    if size > MAX_MESSAGE_BYTES:
        return f"A message is at most {MAX_MESSAGE_BYTES} bytes in UTF-8, and this one has {size}."
    if len(scope) > MAX_SOURCE:
        return f"A scope's name is at most {MAX_SOURCE} characters, and this one has {len(scope)}."
    if (problem := text_problem(message) or text_problem(scope)) is not None:
        return f"Its text: {problem}"
    return _level(record), scope or "kernel", message, sent_at(record) or now


def refusal_of(problem: str, record: LogRecord, now: int) -> NewLine:
    """Return the line that stands in the log for a record that was refused: few exporters tell anybody."""
    return LEVEL_NUMBERS["error"], SOURCE, f"A log record was refused. {problem}", sent_at(record) or now


def sent_at(record: LogRecord) -> int:
    """Return the time of a record in microseconds since 1970, or 0 where it has none."""
    return int(record.time_unix_nano or record.observed_time_unix_nano) // 1000


def points_of(record: LogRecord, now: int) -> list[NewPoint]:
    """Return the numbers among the attributes of a record that has a step among them."""
    numbers = {item.key: _number(item.value) for item in record.attributes}
    values = {name: value for name, value in numbers.items() if value is not None and _is_metric(name)}
    steps = [values.pop(name) for name in STEP_NAMES if name in values]
    if not steps or not isinstance(steps[0], int) or not 0 <= steps[0] <= MAX_ID:
        return []
    moment = sent_at(record) or now
    return [(name, steps[0], float(value), moment, None) for name, value in values.items()]


def _is_metric(name: str) -> bool:
    return 0 < len(name) <= MAX_NAME_CHARS and text_problem(name) is None and not name.startswith(_NO_METRICS)


def _number(value: AnyValue) -> int | float | None:
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind in ("int_value", "double_value") else None


def _level(record: LogRecord) -> int:
    for lowest, level in _SEVERITIES:
        if record.severity_number >= lowest:
            return LEVEL_NUMBERS[level]
    return LEVEL_NUMBERS.get(record.severity_text.lower(), LEVEL_NUMBERS["info"])


def _message(record: LogRecord) -> str:
    if not record.HasField("body"):
        return str(record.event_name)
    value = _plain(record.body)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _exception(record: LogRecord) -> str:
    told = {item.key: item.value.string_value for item in record.attributes if item.key.startswith("exception.")}
    if stacktrace := told.get("exception.stacktrace"):
        return str(stacktrace).rstrip()
    return ": ".join(part for part in (told.get("exception.type"), told.get("exception.message")) if part)


def _plain(value: AnyValue) -> Any:
    """Return a value as JSON has it, bytes in base64."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {item.key: _plain(item.value) for item in value.kvlist_value.values}
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    return None if kind is None else getattr(value, kind)
