"""Settings from the environment: one frozen dataclass per process, a missing or bad variable named."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, fields
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

Settings = TypeVar("Settings")


class SettingsError(Exception):
    """Names the variable that is missing or bad."""


@contextmanager
def exit_on(*errors: type[Exception]) -> Iterator[None]:
    """End the process with one line on stderr and the status 1 at a SettingsError, or one of ``errors``."""
    ends: tuple[type[Exception], ...] = (SettingsError, *errors)
    try:
        yield
    except ends as error:
        sys.exit(f"error: {error}")


def load(cls: type[Settings], environ: Mapping[str, str] = os.environ) -> Settings:
    """Fill the dataclass ``cls``: the field ``redis_url`` from the variable ``REDIS_URL``, and so on.

    White space around a value goes: a secret read from a file ends in a line end. A field without a default must be
    set; an empty variable counts as unset. Field types: str, int, bool, those below, each also with ``| None``, and a
    Literal of strings.
    """
    hints = get_type_hints(cls, include_extras=True)
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


def _parse(variable: str, text: str, hint: Any) -> Any:
    kind = get_args(hint)[0] if type(None) in get_args(hint) else hint
    kind, *checks = get_args(kind) if get_origin(kind) is Annotated else (kind,)
    try:
        value = _choice(text, get_args(kind)) if get_origin(kind) is Literal else _PARSERS[kind](text)
        for check in checks:
            check(value)
    except ValueError as error:
        shown = "" if kind is str else f"={text!r}"  # a text may have a password in it
        raise SettingsError(f"{variable}{shown}: {error}") from error
    return value


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


_PARSERS: dict[Any, Callable[[str], Any]] = {str: str, int: _whole_number, bool: _flag}


def _require_positive(number: int) -> None:
    if number < 1:
        raise ValueError("must be at least 1")


def _require_port(number: int) -> None:
    if number > 65_535:
        raise ValueError("must be at most 65535")


def _require_visible(text: str) -> None:
    if not all("!" <= character <= "~" for character in text):
        raise ValueError("must be visible ASCII characters")


def _require_http_url(text: str) -> None:
    if not text.startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https://")
    _require_host(text)


def _require_redis_url(text: str) -> None:
    if not text.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("must begin with redis://, rediss:// or unix://")
    if not text.startswith("unix://"):
        _require_host(text)


def _require_host(url: str) -> None:
    try:
        _require_visible(url)
        parts = urlsplit(url)
        is_valid = bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_valid = False
    if not is_valid:
        raise ValueError("is no valid URL")


Positive = Annotated[int, _require_positive]
Port = Annotated[int, _require_port]
Visible = Annotated[str, _require_visible]
HttpUrl = Annotated[str, _require_http_url]
RedisUrl = Annotated[str, _require_redis_url]
