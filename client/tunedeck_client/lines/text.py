"""Encodes log lines for the service, and the reports of lines that were lost."""

from __future__ import annotations

import contextlib
import json
import re
import sys
import time
from datetime import datetime, timezone
from typing import NamedTuple

MAX_MESSAGE_BYTES = 256 * 1024  # the service answers 413 to a longer one
MAX_PART_BYTES = MAX_MESSAGE_BYTES - 32  # which leaves room for the number of the part
REPORT_MARK = "tunedeck-client: "

_UNSENDABLE = re.compile("[\x00\ud800-\udfff]")
_REPORT = re.compile(REPORT_MARK.encode() + rb"(\d+) (line|metric point)s? lost, from (\S+) to (\S+): ")


class Loss(NamedTuple):
    """How many lines, or what `noun` names, were lost, and the timestamps of the first and the last."""

    lines: int
    first: str
    last: str
    noun: str = "line"

    def joined(self, other: Loss) -> Loss:
        """Return both losses as one. The timestamps have a fixed width, so that they compare as strings."""
        first, last = min(self.first, other.first), max(self.last, other.last)
        return Loss(self.lines + other.lines, first, last, self.noun)


def say(text: str) -> None:
    """Write a line of ours to stderr, wherever that leads; it never fails."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"{REPORT_MARK}{text}\n")
            sys.stderr.flush()


def count(number: int, noun: str) -> str:
    """Return a number with its noun: `1 line`, `2 lines`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def rfc3339(seconds: float) -> str:
    """Format a Unix time in UTC: `2024-02-19T10:35:00.000000Z`; NaN and the like become now."""
    try:
        moment = datetime.fromtimestamp(seconds, timezone.utc)
    except (TypeError, ValueError, OverflowError, OSError):
        moment = datetime.fromtimestamp(time.time(), timezone.utc)
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def clean(text: str) -> str:
    """Replace NUL and lone surrogates, which the service refuses, by U+FFFD, and join surrogate pairs."""
    if _UNSENDABLE.search(text) is None:
        return text
    paired = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return paired.replace("\x00", "\ufffd")


def split(text: str) -> list[str]:
    """Split a text into messages of at most 256 KiB of UTF-8; several begin with `(1/3) `, `(2/3) `, …"""
    if len(text) * 4 <= MAX_MESSAGE_BYTES:  # UTF-8 takes four bytes a character at most
        return [text]
    parts = split_bytes(text, MAX_MESSAGE_BYTES)
    if len(parts) == 1:
        return parts
    parts = split_bytes(text, MAX_PART_BYTES)
    return [f"({number}/{len(parts)}) {part}" for number, part in enumerate(parts, 1)]


def split_bytes(text: str, limit: int) -> list[str]:
    """Split a text into pieces of at most `limit` bytes of UTF-8, none of them inside of a character."""
    data = text.encode("utf-8")
    pieces: list[str] = []
    start = 0
    while start < len(data) or not pieces:
        end = min(start + limit, len(data))
        while end < len(data) and data[end] & 0xC0 == 0x80:  # back to the start of a character
            end -= 1
        pieces.append(data[start:end].decode("utf-8"))
        start = end
    return pieces


def encode(timestamp: str, level: str, source: str, message: str) -> bytes:
    """Encode one line of NDJSON in UTF-8."""
    line = {"timestamp": timestamp, "level": level, "source": source, "message": message}
    return json.dumps(line, ensure_ascii=False).encode("utf-8") + b"\n"


def report(loss: Loss, source: str, why: str) -> bytes:
    """Encode the log line that tells the log's readers of lost lines."""
    lost = count(loss.lines, loss.noun)
    message = f"{REPORT_MARK}{lost} lost, from {loss.first} to {loss.last}: {clean(why)}"
    return encode(loss.last, "warn", source, message)


def loss_of(lines: list[bytes], noun: str = "line") -> Loss:
    """Return the loss of these encoded lines; a report among them counts for the lines that it reports."""
    loss = Loss(len(lines), _timestamp(lines[0]), _timestamp(lines[-1]), noun)
    for line in lines:
        told = _REPORT.search(line)
        if told is not None:
            loss = loss.joined(Loss(int(told.group(1)) - 1, told.group(3).decode(), told.group(4).decode()))
    return loss


def is_report(line: bytes) -> bool:
    """Return whether an encoded line is a report of ours."""
    return _REPORT.search(line) is not None


def _timestamp(line: bytes) -> str:
    return str(json.loads(line).get("timestamp", "?"))
