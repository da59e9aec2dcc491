"""Encodes log lines for the service, and splits a program's output into lines; pure."""

from __future__ import annotations

import json
import re
import time
from datetime import datetime, timezone
from typing import NamedTuple

MAX_MESSAGE_BYTES = 256 * 1024  # the service answers 413 to a longer one
MAX_UNENDED_CHARS = 256 * 1024  # output without a line end is cut here, so that memory stays bounded
REPORT_MARK = "tunedeck-client: "

_PART_PREFIX_BYTES = 32
_UNSENDABLE = re.compile("[\x00\ud800-\udfff]")
_LEVEL_WORD = re.compile(r"\s*\[?(DEBUG|INFO|WARN|WARNING|ERROR|CRITICAL|FATAL)(?:\]|:|\s+[-|:]\s)")
_REPORT = re.compile(REPORT_MARK.encode() + rb"(\d+) lines? lost, from (\S+) to (\S+): ")
_LEVELS = {"WARNING": "warn", "CRITICAL": "error", "FATAL": "error"}


class Loss(NamedTuple):
    """How many lines were lost, and the timestamps of the first and the last of them."""

    lines: int
    first: str
    last: str

    def joined(self, other: Loss) -> Loss:
        """Return both losses as one. The timestamps have a fixed width, so that they compare as strings."""
        return Loss(self.lines + other.lines, min(self.first, other.first), max(self.last, other.last))


def rfc3339(seconds: float) -> str:
    """Format a Unix time in UTC: `2024-02-19T10:35:00.000000Z`; NaN and the like become now."""
    try:
        moment = datetime.fromtimestamp(seconds, timezone.utc)
    except (TypeError, ValueError, OverflowError, OSError):
        moment = datetime.fromtimestamp(time.time(), timezone.utc)
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def level_of_number(levelno: int) -> str:
    """Return the service's name for a level of `logging`; a custom level counts as the nearest one below."""
    if levelno >= 40:
        return "error"
    if levelno >= 30:
        return "warn"
    return "info" if levelno >= 20 else "debug"


def level_of_text(line: str, default: str) -> str:
    """Return the level word in capitals that a line begins with (`WARNING:`, `[ERROR]`), or the default."""
    found = _LEVEL_WORD.match(line)
    if found is None:
        return default
    return _LEVELS.get(found.group(1), found.group(1).lower())


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
    data = text.encode("utf-8")
    if len(data) <= MAX_MESSAGE_BYTES:
        return [text]
    parts = []
    start = 0
    while start < len(data):
        end = min(start + MAX_MESSAGE_BYTES - _PART_PREFIX_BYTES, len(data))
        while end < len(data) and data[end] & 0xC0 == 0x80:  # back to the start of a character
            end -= 1
        parts.append(data[start:end].decode("utf-8"))
        start = end
    return [f"({number}/{len(parts)}) {part}" for number, part in enumerate(parts, 1)]


def encode(timestamp: str, level: str, source: str, message: str) -> bytes:
    """Encode one line of NDJSON in UTF-8."""
    line = {"timestamp": timestamp, "level": level, "source": source, "message": message}
    return json.dumps(line, ensure_ascii=False).encode("utf-8") + b"\n"


def report(loss: Loss, source: str, why: str) -> bytes:
    """Encode the log line that tells the log's readers of lost lines."""
    noun = "line" if loss.lines == 1 else "lines"
    message = f"{REPORT_MARK}{loss.lines} {noun} lost, from {loss.first} to {loss.last}: {clean(why)}"
    return encode(loss.last, "warn", source, message)


def loss_of(lines: list[bytes]) -> Loss:
    """Return the loss of these encoded lines; a report among them counts for the lines that it reports."""
    loss = Loss(len(lines), _timestamp(lines[0]), _timestamp(lines[-1]))
    for line in lines:
        told = _REPORT.search(line)
        if told is not None:
            loss = loss.joined(Loss(int(told.group(1)) - 1, told.group(2).decode(), told.group(3).decode()))
    return loss


def is_report(line: bytes) -> bool:
    """Return whether an encoded line is a report of ours."""
    return _REPORT.search(line) is not None


def _timestamp(line: bytes) -> str:
    return str(json.loads(line).get("timestamp", "?"))


def is_line(data: bytes) -> bool:
    """Return whether the bytes are a whole encoded line: a kill or a bad disk may have left less."""
    try:
        return isinstance(json.loads(data), dict)
    except (ValueError, RecursionError):
        return False


def last_state(line: str) -> str:
    """Return what a terminal shows of a line with `\\r` in it: the last text that is not blank."""
    if "\r" not in line:
        return line
    states = [state for state in line.split("\r") if state.strip()]
    return states[-1] if states else ""


class LineSplitter:
    """Splits output into lines; a progress bar becomes one line with its last state.

    While a bar runs, its current state is a line too, at most once in `every` seconds.
    """

    def __init__(self, every: float = 5.0) -> None:
        self._every = every
        self._rest = ""
        self._due: float | None = None
        self._shown: str | None = None

    def feed(self, text: str, now: float) -> list[str]:
        """Return the lines that this text completes; `now` is a clock in seconds."""
        *ended, self._rest = (self._rest + text).split("\n")
        lines = [state for line in ended for state in self._end(line)]
        whole, bar, begun = self._rest.rpartition("\r")
        if bar:
            state = last_state(whole)
            self._rest = state + "\r" + begun
            if self._due is None:
                self._due = now + self._every
            elif now >= self._due and state and state != self._shown:
                self._due = now + self._every
                self._shown = state
                lines.append(state)
        if len(self._rest) > MAX_UNENDED_CHARS:
            lines += self.end()
        return lines

    def end(self) -> list[str]:
        """Return what is left at the end of the output."""
        rest, self._rest = self._rest, ""
        return self._end(rest) if rest else []

    def _end(self, line: str) -> list[str]:
        state, shown = last_state(line), self._shown
        self._due = self._shown = None
        return [] if state == shown else [state]
