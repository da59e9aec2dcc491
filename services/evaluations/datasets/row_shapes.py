"""The shapes of a test set's rows: a record becomes what is asked and expected, or is refused with a hint; pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from shared.http.strict_json import text_problem

_OTHER_SHAPES = (
    ("prompt", "completion"),
    ("question", "answer"),
    ("text", "label"),
    ("sentence", "label"),
    ("input", "output"),
    ("input", "target"),
    ("instruction", "output"),
)
_ROLES = ("system", "developer", "user", "assistant", "tool")
_OBJECT = "Must be an object with input and expected."

Message = dict[str, str]


class RowProblem(Exception):
    """What is wrong with a record, and how else it may be uploaded."""


class Row(NamedTuple):
    """What is asked and expected; ``fields`` has all of the record, ``messages`` the conversation that it is, if so."""

    input: str
    expected: str
    fields: Mapping[str, Any] = {}
    messages: tuple[Message, ...] | None = None


@dataclass(frozen=True)
class Reading:
    """How a test set is read: the format (None: by its first character) and the fields that are input and expected."""

    format: str | None = None
    input: str = "input"
    expected: str = "expected"


def read_row(record: Any, reading: Reading) -> Row:
    """Return a record's row; RowProblem where it has none."""
    if type(record) is not dict:
        raise RowProblem(_OBJECT)
    if reading.input not in record and isinstance(record.get("messages"), list):
        return _read_conversation(record, reading)
    if reading.input not in record or reading.expected not in record:
        raise RowProblem(_hint(record, reading))
    text = record[reading.input]
    if type(text) is not str:
        raise RowProblem(f"{reading.input}: Must be a string.")
    return Row(_checked(reading.input, text), _expected(reading.expected, record[reading.expected]), record)


def _read_conversation(record: dict[str, Any], reading: Reading) -> Row:
    """Read ``messages``; without ``expected`` the assistant's last one is what is expected, as trainers have it."""
    messages = record["messages"]
    for number, message in enumerate(messages):
        is_message = type(message) is dict and message.get("role") in _ROLES and type(message.get("content")) is str
        if not is_message:
            raise RowProblem(f"messages[{number}]: Must be {{role, content}} with a known role and a text.")
        _checked(f"messages[{number}]", message["content"])
    if reading.expected in record:
        expected = _expected(reading.expected, record[reading.expected])
    elif messages and messages[-1]["role"] == "assistant":
        expected = _expected("messages", messages[-1]["content"])
        messages = messages[:-1]
    else:
        raise RowProblem(f"Has messages, but neither {reading.expected} nor an assistant's message at their end.")
    if not messages or messages[-1]["role"] not in ("user", "tool"):
        raise RowProblem("messages: The last one that is asked must be the user's.")
    asked = tuple({"role": message["role"], "content": message["content"]} for message in messages)
    return Row(asked[-1]["content"], expected, record, asked)


def _expected(name: str, value: Any) -> str:
    """Return what is expected as a text; a number or a boolean as JSON writes it."""
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if type(value) is not str:
        raise RowProblem(f"{name}: Must be a string, a number or a boolean.")
    if not value.strip():
        raise RowProblem(f"{name}: Must not be blank: no answer could be right.")
    return _checked(name, value)


def _checked(name: str, text: str) -> str:
    if (problem := text_problem(text)) is not None:
        raise RowProblem(f"{name}: {problem}")
    return text


def _hint(record: dict[str, Any], reading: Reading) -> str:
    for first, second in _OTHER_SHAPES:
        if first in record and second in record:
            return (
                f"Has no {reading.expected}. Upload it with ?input={first}&expected={second}."
                if (first == reading.input)
                else f"Has no {reading.input}. Upload it with ?input={first}&expected={second}."
            )
    missing = reading.input if reading.input not in record else reading.expected
    names = ", ".join(map(str, list(record)[:10])) or "nothing"
    return f"{missing}: Must be a string. It has {names}: name the fields with ?input=…&expected=…"[:500]
