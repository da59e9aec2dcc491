"""Finds the level of a line in the formats of the usual loggers, and keeps a traceback together; pure."""

from __future__ import annotations

import re

from tunedeck_client.json_objects import parse_object

MAX_HEAD_CHARS = 80  # a level stands at the beginning of a line; further on it is prose
MAX_JSON_CHARS = 64 * 1024
MAX_TRACEBACK_LINES = 1_000
TRACEBACK_WAIT = 1.0  # s without a further line of it, after which a traceback is taken for whole

_LEVELS = {
    "trace": "debug",
    "debug": "debug",
    "info": "info",
    "notice": "info",
    "success": "info",
    "warn": "warn",
    "warning": "warn",
    "error": "error",
    "severe": "error",
    "critical": "error",
    "fatal": "error",
}
_HINTS = ("error", "warn", "info", "debug", "trace", "notice", "success", "severe", "critical", "fatal")
_GLOG = {"I": "info", "W": "warn", "E": "error", "F": "error"}

_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
_NAMES = "|".join(_LEVELS).upper()
# What may stand before a level that is a column of its own: nothing, a bracket, a bar, ` - `, a time of day
# or `[rank0]: `; and what after. In "no ERROR found" a word is before it, in "ERROR rate" nothing after.
_COLUMN = re.compile(
    rf"(?:^|(?<=[|\]>)]) ?|(?<= - )|(?<=[|\])]:) |(?<=\d) )\s*(?P<name>{_NAMES})(?=\s*(?:[]:|)]|[-–]\s|$))"
    rf"|(?:\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?\]?\s+|[\])]:?\s+)"
    rf"(?P<timed>{_NAMES})(?=\s)"
    rf"|^\s*(?P<first>{_NAMES})\s+(?=\d\d-\d\d \d\d:\d\d:\d\d|\d{{4}}-\d\d-\d\d)"
)
_BRACKET = re.compile(rf"[\[(<](?P<name>{_NAMES})\s*(?:[\])>]|\|\S+:\d+\])", re.IGNORECASE)
_PAIR = re.compile(r"(?:^|\s)(?:level|lvl|levelname|severity)=\"?(?P<name>[A-Za-z]+)\b")
_GLOG_HEAD = re.compile(r"(?:^|[\[\]: ])(?P<letter>[IWEF])\d{4} \d\d:\d\d:\d\d")
_AT_START = re.compile(r"\s*(?P<name>error|fatal|warning)(?:\[\w+\])?: (?!\s*[-+.\d])")
_PYTHON_WARNING = re.compile(r"\S+\.py:\d+: (?:\w+\.)*\w*Warning: ")
_JSON_NAMES = ("level", "levelname", "severity", "log_level", "log.level")

_RANK = re.compile(r"\[(?:rank|default|worker)?\d+\]:? ?|\((?:\w+ )?pid=\d+[^)]*\) ")
_TRACEBACK = re.compile(r"\s*(?:\+ Exception Group )?Traceback \(most recent call last\):[ \t\r]*(?:\n|$)")
_CHAINED = (
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
)


def level_of_number(levelno: int) -> str:
    """Return the service's name for a level of `logging`; a custom level counts as the nearest one below."""
    if levelno >= 40:
        return "error"
    if levelno >= 30:
        return "warn"
    return "info" if levelno >= 20 else "debug"


def level_of_text(line: str, default: str) -> str:
    """Return the level that a line names in one of the formats of `logging`, loguru, glog, JSON and others.

    A word in prose is no level: a wrong error is as bad as a missed one.
    """
    if "\x1b" in line:
        line = _COLOUR.sub("", line[: 4 * MAX_HEAD_CHARS]) + line[4 * MAX_HEAD_CHARS :]
    if line.startswith("{"):
        return _level_of_json(line) or default
    if is_traceback(line):
        return "error"
    head = line[:MAX_HEAD_CHARS]
    glog = _GLOG_HEAD.search(head)
    if glog:
        return _GLOG[glog.group("letter")]
    lowered = head.lower()
    if not any(hint in lowered for hint in _HINTS):  # a fiftieth of what the expressions cost
        return _level_of_warning(line, default)
    found = [match for match in (_COLUMN.search(head), _BRACKET.search(head), _PAIR.search(head)) if match]
    if found:
        groups = min(found, key=lambda match: match.start()).groupdict()
        name = next(name for name in groups.values() if name)
        return _LEVELS.get(name.lower(), default)
    start = _AT_START.match(head)
    if start:
        return _LEVELS[start.group("name")]
    return _level_of_warning(line, default)


def _level_of_warning(line: str, default: str) -> str:
    head = line[:1024]  # it begins with a path
    return "warn" if "Warning: " in head and _PYTHON_WARNING.match(head) else default


def _level_of_json(line: str) -> str | None:
    if len(line) > MAX_JSON_CHARS or not any(name in line for name in _JSON_NAMES):
        return None
    record = parse_object(line) or {}
    names = (record.get(name) for name in _JSON_NAMES)
    return next((_LEVELS.get(name.lower()) for name in names if isinstance(name, str)), None)


def is_traceback(line: str) -> bool:
    """Whether a line begins a Python traceback, behind a rank's prefix or not."""
    return "Traceback" in line[:MAX_HEAD_CHARS] and bool(_TRACEBACK.match(line, _rank(line)))


def _rank(line: str) -> int:
    """Return where a line begins behind the prefix of its process: `[rank1]: `, `(Worker pid=3) `."""
    found = _RANK.match(line)
    return found.end() if found else 0


class TracebackJoiner:
    """Joins the lines of a Python traceback, chained ones included, into one; all other lines pass.

    It ends with the exception's own line, or with what is no line of it. Times are in seconds.
    """

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._prefix = ""
        self._has_ended = False  # with its exception; a chained one may follow
        self._until = 0.0

    def feed(self, line: str, now: float) -> list[str]:
        """Return the lines that are whole with this one."""
        if self._lines and self._takes(line):
            self._lines.append(line)
            self._until = now + TRACEBACK_WAIT
            return [] if len(self._lines) < MAX_TRACEBACK_LINES else self.end()
        whole = self.end()
        if is_traceback(line):
            self._prefix = line[: _rank(line)]
            self._lines, self._until, self._has_ended = [line], now + TRACEBACK_WAIT, False
            return whole
        return [*whole, line]

    def _takes(self, line: str) -> bool:
        if not line.startswith(self._prefix):
            return False
        text = line[len(self._prefix) :]
        if self._has_ended:
            self._has_ended = text not in _CHAINED and text.strip() != ""
            return not self._has_ended
        last = self._lines[-1][len(self._prefix) :]
        if text.startswith((" ", "\t")) or not text.strip() or text in _CHAINED or _TRACEBACK.match(text):
            return True
        self._has_ended = True
        if self._lines[0][len(self._prefix) :].startswith(" "):  # a group: its exceptions are indented, too
            return False
        return last.startswith((" ", "\t")) or _TRACEBACK.match(last) is not None

    def due(self, now: float) -> list[str]:
        """Return a traceback that nothing more came of for a moment."""
        return self.end() if self._lines and now >= self._until else []

    def due_in(self, now: float) -> float | None:
        """Return the seconds until `due` returns something, or None."""
        return max(0.0, self._until - now) if self._lines else None

    def end(self) -> list[str]:
        """Return what is left at the end of the output."""
        lines, self._lines = self._lines, []
        trailing = []
        while lines and not lines[-1].strip():
            trailing.append(lines.pop())
        return (["\n".join(lines)] if lines else []) + trailing
