"""Folds a program's output into lines: what a terminal shows, progress bars in their last state; pure."""

from __future__ import annotations

import re

from tunedeck_client.lines.text import MAX_PART_BYTES, split_bytes

SETTLE = 0.5  # s after which a row above the cursor is taken for final: a bar comes back sooner
MAX_ROWS = 64  # of bars that are drawn at a time
MAX_PENDING_CHARS = 256 * 1024  # of a line without its end: more goes out in parts, to bound the memory

# Colours, which are text here; the other control sequences (ECMA-48, 5.4); window titles and such; the rest.
_TOKENS = re.compile(
    r"(?P<text>(?:[^\r\n\b\x07\x1b]|\x1b\[[0-9;:]*m)+)"
    r"|(?P<newline>\n)|(?P<return>\r)|(?P<backspace>\x08+)"
    r"|\x1b\[(?P<count>[0-9]*)(?P<move>[ABDGJK`])"
    r"|\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-Z\\`-~]|\x07|\x1b"
)
_INCOMPLETE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]{0,4096}\x1b?|[ -/]*)?\Z")
_CONTROLS = ("\r", "\b", "\x1b", "\x07")


class _Row:
    def __init__(self, now: float) -> None:
        self.text = ""
        self.written = True  # or else the next text replaces this one
        self.back = 0  # columns that the cursor went back from the end
        self.cleared = False
        self.redrawn = False
        self.shown: str | None = None
        self.shown_at: float | None = None
        self.changed_at = now
        self.parts = 0

    def write(self, text: str, now: float) -> None:
        if not self.written:
            self.redrawn = True
            if not text.strip():
                self.cleared = True  # a bar wipes itself out with blanks
                return
            self.text, self.back = "", 0
        if self.back:
            self.text, self.back = self.text[: -self.back], max(0, self.back - len(text))
        self.text += text
        self.written, self.cleared = True, False
        self.changed_at = now
        if self.shown_at is None:
            self.shown_at = now

    def redraw(self) -> None:
        self.written, self.redrawn = False, True

    def is_news(self) -> bool:
        return bool(self.text) and not self.cleared and self.text != self.shown

    def erase(self) -> None:
        self.text, self.cleared = "", True
        self.redraw()


class Terminal:
    """The rows of the output that a program may still change; `feed` returns those that are final.

    A row is final with its line end, unless it was redrawn: then it may be one of several bars below each
    other, and is final once the cursor has been below it for a moment. What stands without a line end, and
    the state of a bar, is returned every `every` seconds. Times are in seconds, of a clock that only goes on.
    """

    def __init__(self, every: float = 5.0) -> None:
        self._every = every
        self._rows = [_Row(0.0)]
        self._at = 0
        self._rest = ""

    def feed(self, text: str, now: float) -> list[str]:
        """Return the lines that this text completes."""
        text = self._rest + text
        self._rest = ""
        if self._is_plain(text):
            lines = self._feed_plain(text, now)
        else:
            cut = _INCOMPLETE.search(text)
            if cut is not None:
                text, self._rest = text[: cut.start()], cut.group()
            lines = [line for token in _TOKENS.finditer(text) for line in self._take(token, now)]
        return lines + self._cut(self._rows[self._at]) + self.due(now)

    def _is_plain(self, text: str) -> bool:
        """Whether a split will do: most output has no bar at all, and comes fast."""
        first = self._rows[0]
        plain = len(self._rows) == 1 and first.written and not first.redrawn
        return plain and not any(control in text for control in _CONTROLS)

    def _feed_plain(self, text: str, now: float) -> list[str]:
        lines = []
        *ended, rest = text.split("\n")
        for line in ended:
            row = self._rows[0]
            if row.text or row.shown is not None:
                row.write(line, now)
                lines += self._pop_rows(1)
            else:
                lines.append(line)
        if rest:
            self._rows[0].write(rest, now)
        return lines

    def _take(self, token: re.Match[str], now: float) -> list[str]:
        row, kind = self._rows[self._at], token.lastgroup
        if kind == "text":
            row.write(token.group(), now)
        elif kind == "newline":
            return self._newline(now)
        elif kind == "return":
            row.written = False
        elif kind == "backspace":
            row.back, row.redrawn = min(row.back + len(token.group()), len(row.text)), True
        elif kind == "move":
            self._move(token.group("move"), token.group("count"), now)
        return []

    def _move(self, move: str, argument: str, now: float) -> None:
        row, count = self._rows[self._at], int(argument or 1)
        if move == "A":
            row.redrawn = True
            self._at = max(0, self._at - count)
            self._rows[self._at].redraw()
        elif move == "B":
            self._at = min(self._at + count, len(self._rows) - 1)
            self._rows[self._at].redraw()
        elif move == "D":
            row.back, row.redrawn = min(row.back + count, len(row.text)), True
        elif move in ("G", "`"):
            row.redraw()
        elif not row.written or argument in ("1", "2"):  # erased: right of the cursor, left of it, or both
            row.erase()
        if move == "J" and argument in ("", "0", "2"):
            for below in self._rows[self._at + 1 :]:
                below.erase()

    def _newline(self, now: float) -> list[str]:
        row = self._rows[self._at]
        row.cleared = row.cleared and not row.text
        if not row.redrawn and self._at == len(self._rows) - 1:
            return self._pop_rows(len(self._rows))
        self._down(now)
        return self._pop_rows(len(self._rows) - MAX_ROWS)

    def _down(self, now: float) -> None:
        self._at += 1
        if self._at == len(self._rows):
            self._rows.append(_Row(now))
        else:
            self._rows[self._at].redraw()

    def due(self, now: float) -> list[str]:
        """Return what is to be shown by now without any further output."""
        settled = 0
        while settled < self._at and now - self._rows[settled].changed_at >= SETTLE:
            settled += 1
        lines = self._pop_rows(settled)
        for row in self._rows:
            if row.shown_at is not None and row.is_news() and now - row.shown_at >= self._every:
                lines += _pieces(row)
                row.shown, row.shown_at = row.text, now
                if not row.redrawn:
                    row.text, row.shown = "", ""
        return lines

    def due_in(self, now: float) -> float | None:
        """Return the seconds until `due` has something to return, or None where nothing is pending."""
        times = [row.changed_at + SETTLE for row in self._rows[: self._at]]
        times += [
            row.shown_at + self._every for row in self._rows if row.shown_at is not None and row.is_news()
        ]
        return max(0.0, min(times) - now) if times else None

    def end(self) -> list[str]:
        """Return what is left at the end of the output."""
        last = self._rows[-1]
        is_begun = bool(last.text) or last.shown is not None
        lines = self._pop_rows(len(self._rows) - (not is_begun))
        self._rows, self._at = [_Row(0.0)], 0
        return lines

    def _pop_rows(self, count: int) -> list[str]:
        """Return the final text of the first rows, but for those erased, or shown as they are."""
        lines = []
        for row in self._rows[: max(0, count)]:
            if not row.cleared and row.text != row.shown and not (row.redrawn and not row.text):
                lines += _pieces(row, last=True)
        if count > 0:
            del self._rows[:count]
            self._at = max(0, self._at - count)
        if not self._rows:
            self._rows, self._at = [_Row(0.0)], 0
        return lines

    def _cut(self, row: _Row) -> list[str]:
        if len(row.text) <= MAX_PENDING_CHARS:
            return []
        *parts, rest = split_bytes(row.text, MAX_PART_BYTES)
        row.text = rest
        return [_number(row, part) for part in parts]


def _pieces(row: _Row, *, last: bool = False) -> list[str]:
    """Return a row's text: where its beginning has gone out before, in parts that count on."""
    if not row.parts:
        return [row.text]
    *parts, rest = split_bytes(row.text, MAX_PART_BYTES)
    return [_number(row, part) for part in parts] + [_number(row, rest, last=last)]


def _number(row: _Row, part: str, *, last: bool = False) -> str:
    row.parts += 1
    return f"({row.parts}/{row.parts if last else '…'}) {part}"
