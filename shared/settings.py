"""Settings from the environment: one frozen dataclass per process, a missing or bad variable named."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

Settings = TypeVar("Settings")


class SettingsError(Exception):
    """Names the variable that is missing or bad; gunicorn's master stops at it, as at any error of a worker's start."""


def load(cls: type[Settings], environ: Mapping[str, str] = os.environ) -> Settings:
    """Fill the dataclass ``cls``: the field ``redis_url`` from the variable ``REDIS_URL``, and so on.

    White space around a value goes: a secret read from a file ends in a line end. A field without a default must be
    set; an empty variable counts as unset. Field types: str, int, bool, the first two with ``| None``, and a Literal of
    strings.
    """
    hints = get_type_hints(cls)
    values: dict[str, Any] = {}
    for field in fields(cls):  # type: ignore[arg-type]  # a dataclass, which the type system cannot say
        variable = field.name.upper()
        text = environ.get(variable, "").strip()
        if any(ord(character) < 32 or ord(character) == 127 for character in text):
            raise SettingsError(f"{variable}: must have no control characters")
        if text:
            values[field.name] = _parse(variable, text, hints[field.name])
        elif field.default is MISSING:
            raise SettingsError(f"{variable} is not set")
    return cls(**values)


def _parse(variable: str, text: str, kind: Any) -> Any:
    try:
        return _choice(text, get_args(kind)) if get_origin(kind) is Literal else _PARSERS[kind](text)
    except ValueError as error:
        raise SettingsError(f"{variable}={text!r}: {error}") from error


def _choice(text: str, choices: tuple[str, ...]) -> str:
    if text not in choices:
        raise ValueError(f"must be one of {', '.join(choices)}")
    return text


def _flag(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError("must be 0 or 1")
    return text == "1"


def _whole_number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError("must be a whole number")
    return int(text)


_PARSERS: dict[Any, Callable[[str], Any]] = {
    str: str,
    str | None: str,
    int: _whole_number,
    int | None: _whole_number,
    bool: _flag,
}
