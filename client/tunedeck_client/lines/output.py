"""Turns a program's output into the lines of a log: folded, tracebacks joined, each with its level; pure."""

from __future__ import annotations

import codecs
from typing import Tuple

from tunedeck_client.lines.levels import TracebackJoiner, level_of_text
from tunedeck_client.lines.terminal import Terminal

Line = Tuple[str, str]  # its level and its text


class OutputLines:
    """The lines of one stream, with `level` where a line names none. Times are in seconds, of one clock."""

    def __init__(self, level: str = "info") -> None:
        self._level = level
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._terminal = Terminal()
        self._tracebacks = TracebackJoiner()

    def feed(self, data: bytes, now: float) -> list[Line]:
        """Return the lines that are whole with this output."""
        return self._join(self._terminal.feed(self._decoder.decode(data), now), now)

    def due(self, now: float) -> list[Line]:
        """Return what is to be shown by now without any further output."""
        return self._join(self._terminal.due(now), now)

    def due_in(self, now: float) -> float | None:
        """Return the seconds until `due` has something to return, or None."""
        times = [due for due in (self._terminal.due_in(now), self._tracebacks.due_in(now)) if due is not None]
        return min(times) if times else None

    def end(self, now: float) -> list[Line]:
        """Return what is left at the end of the output."""
        rest = self._decoder.decode(b"", final=True)
        lines = self._join(self._terminal.feed(rest, now) + self._terminal.end(), now)
        return lines + self._levelled(self._tracebacks.end())

    def _join(self, lines: list[str], now: float) -> list[Line]:
        joined = [whole for line in lines for whole in self._tracebacks.feed(line, now)]
        return self._levelled(joined + self._tracebacks.due(now))

    def _levelled(self, lines: list[str]) -> list[Line]:
        return [(level_of_text(line, self._level), line) for line in lines]
