"""Parses and validates pushed lines: one object, a batch or NDJSON, gzip or not."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import marshmallow as ma
from marshmallow import validate

from services.logs.lines.levels import LEVEL_NUMBERS, Level
from shared.errors import BadRequest, TooLarge, Unprocessable, UnsupportedMediaType
from shared.http import strict_json
from shared.http.fields import Time, unprocessable
from shared.http.schemas import BodySchema
from shared.timestamps import plain_micros, to_micros

MAX_MESSAGE_BYTES = 256 * 1024
MAX_SOURCE = 255
MAX_BATCH_LINES = 10_000
MAX_BATCH_BYTES = 8 * 2**20
MAX_SINGLE_BYTES = 2**20
MAX_GZIP_MEMBERS = 100
"""Each further one copies the rest of the body: 8 MiB of empty ones would hold up the process for minutes."""


class _Message(ma.fields.String):
    """A text that is refused where it is too long, and never cut."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = str(super()._deserialize(value, attr, data, **kwargs))
        if len(text.encode()) > MAX_MESSAGE_BYTES:
            raise TooLarge(f"A message is at most {MAX_MESSAGE_BYTES} bytes in UTF-8.")
        return text


class NewLineSchema(BodySchema):
    level = Level(load_default=1)
    message = _Message(required=True)
    source = ma.fields.String(load_default="kernel", validate=validate.Length(1, MAX_SOURCE))
    timestamp = Time(load_default=None)


_SCHEMA = NewLineSchema()

NewLine = tuple[int, str, str, int]
"""A checked line without its number: (level, source, message, timestamp); bare, for there are thousands in a batch.

``level`` indexes LEVELS, ``timestamp`` is microseconds since 1970.
"""


@dataclass(frozen=True)
class NewBatch:
    """What one POST brought; ``single`` where it was one bare object, which is answered with the stored line."""

    lines: list[NewLine]
    single: bool
    body: bytes

    @property
    def digest(self) -> str:
        """What tells a repeat under an idempotency key from another batch."""
        return hashlib.sha256(self.body).hexdigest()


def read_batch(raw: bytes, media_type: str, encoding: str, *, lenient: bool = False) -> NewBatch:
    """Return the lines of a POST's body; BadRequest, TooLarge, UnsupportedMediaType or Unprocessable says why not.

    ``lenient``: of what log shippers send, fields that we do not know are dropped instead of refused,
    and the lines may be a bare array.
    """
    body = decode_body(raw, encoding)
    if media_type == "application/x-ndjson":
        items, single = strict_json.loads_lines(body, MAX_BATCH_LINES), False
    elif media_type == "application/json":
        value = strict_json.loads(body)
        if lenient and isinstance(value, list):
            value = {"logs": value}
        single = not (isinstance(value, dict) and "logs" in value)
        items = [value] if single else _logs_of(value)
    else:
        raise UnsupportedMediaType("The body must be application/json or application/x-ndjson.")
    if single and len(body) > MAX_SINGLE_BYTES:
        raise TooLarge(f"One line's body is at most {MAX_SINGLE_BYTES} bytes.")
    if not items:
        raise Unprocessable.field("logs", "Must have at least one line.")
    if len(items) > MAX_BATCH_LINES:
        raise TooLarge(f"A batch has at most {MAX_BATCH_LINES} lines.")
    if lenient:
        items = [_without_unknown(item) for item in items]
    path = "" if single else "logs.{}"  # of a line, in an error
    # One timestamp serves every line that brings none.
    now = to_micros(datetime.now(UTC))
    # A line that is plainly right costs a few comparisons; all others go through the schema.
    lines = [_plain_line(item, now) or _checked_line(item, now, path.format(place)) for place, item in enumerate(items)]
    return NewBatch(lines, single, body)


def _plain_line(item: Any, now: int) -> NewLine | None:
    """Return the row of a line that is valid at first sight, else None; never a row that the schema would refuse."""
    if type(item) is not dict:
        return None
    get = item.get
    message, source, name, sent = get("message"), get("source"), get("level"), get("timestamp")
    unknown = len(item) - 1
    level, timestamp = 1, now
    if source is None:
        source = "kernel"
    else:
        unknown -= 1
    if name is not None:
        level = LEVEL_NUMBERS.get(name.lower(), -1) if type(name) is str else -1
        unknown -= 1
    if sent is not None:
        timestamp = plain_micros(sent)
        unknown -= 1
    # A field that is null is not counted off, so that it is the schema's. A character is at most four bytes, so the
    # longest messages are counted exactly there, too.
    if unknown or level < 0 or timestamp < 0 or type(message) is not str or type(source) is not str:
        return None
    if len(message) > MAX_MESSAGE_BYTES // 4 or not 0 < len(source) <= MAX_SOURCE:
        return None
    return level, source, message, timestamp


def _checked_line(item: Any, now: int, path: str) -> NewLine:
    try:
        line = _SCHEMA.load(item)
    except ma.ValidationError as error:
        raise unprocessable({path: error.messages} if path else error.messages) from error
    sent = line["timestamp"]
    return line["level"], line["source"], line["message"], now if sent is None else to_micros(sent)


def _without_unknown(item: Any) -> Any:
    """Return a line with our fields only, an unknown level as info, and Fluent Bit's ``log`` as message."""
    if not isinstance(item, dict):
        return item
    line = {name: item[name] for name in _SCHEMA.fields if name in item}
    if "message" not in line and "log" in item:
        line["message"] = item["log"]
    level = line.get("level")
    if not isinstance(level, str) or level.lower() not in LEVEL_NUMBERS:
        line.pop("level", None)
    return line


def _logs_of(value: dict[str, Any]) -> list[Any]:
    extra = value.keys() - {"logs"}
    if extra:
        raise Unprocessable.field(min(extra), "Unknown field.")
    if not isinstance(value["logs"], list):
        raise Unprocessable.field("logs", "Must be a list of lines.")
    return list(value["logs"])


def decode_body(raw: bytes, encoding: str) -> bytes:
    """Return a body without its Content-Encoding; TooLarge where it is more than MAX_BATCH_BYTES then."""
    encoding = encoding.lower()
    if encoding in ("", "identity"):
        return raw
    if encoding not in ("gzip", "x-gzip"):
        raise UnsupportedMediaType("Content-Encoding must be gzip, or absent.")
    out = b""
    for _ in range(MAX_GZIP_MEMBERS):
        member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        try:
            out += member.decompress(raw, MAX_BATCH_BYTES + 1 - len(out))
        except zlib.error as error:
            raise BadRequest("The body is not gzip.") from error
        if len(out) > MAX_BATCH_BYTES:
            raise TooLarge(f"The body is larger than {MAX_BATCH_BYTES} bytes when unpacked.")
        if not member.eof:
            raise BadRequest("The gzip body breaks off.")
        raw = member.unused_data
        if not raw:
            return out
    raise BadRequest(f"The gzip body has more than {MAX_GZIP_MEMBERS} members.")
