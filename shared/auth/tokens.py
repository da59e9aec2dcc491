"""The file of tokens, read again when it changes: whose each is, what it may do, and until when."""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import re
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from shared.auth.caller import Caller
from shared.settings import SettingsError
from shared.timestamps import parse_time

SCOPES = ("read", "write", "kernel")

LOOK_EVERY_S = 1.0

_FIELDS = {"name", "sha256", "scopes", "expires_at"}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Token(Caller):
    """Whose an entry of the file is; of the token itself only the digest is known.

    The beginning of that, the fingerprint, tells it from another token that has its name, later on say.
    """

    sha256: str = ""


class TokenFile:
    """The tokens of the file at ``path``. One that cannot be read stops the start; later the last good one counts."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._seen = _identity(path)
        try:
            self._tokens = read_tokens(path)
        except (OSError, ValueError) as error:
            raise SettingsError(f"TOKENS_FILE={path}: {error}") from error
        self._looked_at = clock()

    def find(self, secret: str) -> Token | None:
        """Return the current entry of a token, or None."""
        digest = hashlib.sha256(secret.encode(errors="surrogateescape")).hexdigest()
        found = None
        for token in self._current():  # all of them: how long it takes says nothing of which it is
            if hmac.compare_digest(token.sha256, digest):
                found = token
        return found if found is not None and found.is_current else None

    def entry(self, name: str, fingerprint: str) -> Token | None:
        """Return the current entry that was of this name and token when something was signed for it, or None."""
        for token in self._current():
            if token.name == name and token.fingerprint == fingerprint and token.is_current:
                return token
        return None

    def _current(self) -> tuple[Token, ...]:
        now = self._clock()
        if now - self._looked_at >= LOOK_EVERY_S:
            self._looked_at = now
            identity = _identity(self._path)
            if identity != self._seen:
                self._seen = identity
                self._read_again()
        return self._tokens

    def _read_again(self) -> None:
        try:
            self._tokens = read_tokens(self._path)
            log.warning("%s was read again: %d tokens", self._path, len(self._tokens))
        except (OSError, ValueError) as error:
            log.error("%s cannot be read, the tokens of before still count: %s", self._path, error)


def _identity(path: Path) -> tuple[int, ...] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def read_tokens(path: Path) -> tuple[Token, ...]:
    """Return the file's tokens; OSError, or ValueError that says what is wrong and shows no value."""
    data = tomllib.loads(path.read_text())
    entries = data.pop("token", [])
    if data or not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError("it must consist of [[token]] tables")
    tokens = tuple(_read_entry(number, entry) for number, entry in enumerate(entries, start=1))
    names = [token.name for token in tokens]
    if len(set(names)) < len(names):
        raise ValueError("two tokens have the same name")
    return tokens


def _read_entry(number: int, entry: dict[str, Any]) -> Token:
    where = f"token {number}"
    if unknown := set(entry) - _FIELDS:
        raise ValueError(f"{where}: {min(unknown)} is unknown")
    name, digest, scopes = entry.get("name"), entry.get("sha256"), entry.get("scopes")
    if not isinstance(name, str) or (problem := name_problem(name)) is not None:
        raise ValueError(f"{where}: name {problem if isinstance(name, str) else 'must be a text'}")
    if not isinstance(digest, str) or not re.fullmatch(r"[0-9a-f]{64}", digest.lower()):
        raise ValueError(f"{where}: sha256 must be 64 hex digits")
    if not isinstance(scopes, list) or not scopes or not all(scope in SCOPES for scope in scopes):
        raise ValueError(f"{where}: scopes must be some of {', '.join(SCOPES)}")
    sha256, expires_at = digest.lower(), _read_expiry(where, entry.get("expires_at"))
    return Token(name, frozenset(scopes), sha256[:16], expires_at=expires_at, sha256=sha256)


def _read_expiry(where: str, value: Any) -> datetime | None:
    if isinstance(value, str):
        try:
            return parse_time(value)
        except ValueError as error:
            raise ValueError(f"{where}: expires_at: {error}") from error
    if value is not None and (not isinstance(value, datetime) or value.tzinfo is None):
        raise ValueError(f"{where}: expires_at must be a time with its offset from UTC")
    return value


def name_problem(name: str) -> str | None:
    """Return what keeps a text from being a token's name, or None."""
    return None if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,99}", name) else "must be of A-Z a-z 0-9 . _ @ -"
