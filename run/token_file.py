"""The file of tokens as its owner changes it: a token is made, shown once, and kept as its digest."""

from __future__ import annotations

import hashlib
import os
import secrets
import string
from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from shared.auth.tokens import SCOPES, Token, name_problem, read_tokens
from shared.settings import SettingsError
from shared.timestamps import format_time

MAX_DAYS = 36_500

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase


def new_token() -> str:
    """Return ``td_`` and 32 random bytes in base 62."""
    number, digits = int.from_bytes(secrets.token_bytes(32)), ""
    while number:
        number, digit = divmod(number, 62)
        digits += _DIGITS[digit]
    return f"td_{digits.rjust(43, '0')}"


def list_tokens(path: Path) -> tuple[Token, ...]:
    """Return the file's tokens, none where there is no file; SettingsError where it is invalid."""
    try:
        return read_tokens(path) if path.exists() else ()
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: {error}") from error


def add_token(path: Path, name: str, scopes: Collection[str], days: int | None) -> str:
    """Add a token to the file and return it; SettingsError where a value is wrong or the name is taken."""
    if (problem := name_problem(name)) is not None:
        raise SettingsError(f"NAME={name!r} {problem}")
    if not scopes or not set(scopes) <= set(SCOPES):
        raise SettingsError(f"SCOPES={','.join(scopes)!r}: must be some of {', '.join(SCOPES)}")
    if days is not None and not 1 <= days <= MAX_DAYS:
        raise SettingsError(f"DAYS={days}: must be from 1 to {MAX_DAYS}")
    present = list_tokens(path)
    if any(token.name == name for token in present):
        raise SettingsError(f"there is a token {name} already; `make token REVOKE={name}` removes it")
    token = new_token()
    expires_at = None if days is None else datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)
    digest = hashlib.sha256(token.encode()).hexdigest()
    _write(path, [*present, Token(name, frozenset(scopes), expires_at=expires_at, sha256=digest)])
    return token


def remove_token(path: Path, name: str) -> None:
    """Remove a token from the file, which stays, if empty; SettingsError where there is none of that name."""
    present = list_tokens(path)
    if all(token.name != name for token in present):
        raise SettingsError(f"there is no token {name}")
    _write(path, [token for token in present if token.name != name])


def own_token(path: Path, secret: Path, name: str, scopes: Collection[str]) -> str:
    """Return the token of a process of our own, which is kept in ``secret``; made where the file has none of its name.

    Raises SettingsError where that is somebody else's.
    """
    kept = secret.read_text() if secret.exists() else ""
    digest = hashlib.sha256(kept.encode()).hexdigest()
    entry = next((token for token in list_tokens(path) if token.name == name), None)
    if entry is not None and entry.sha256 == digest:
        return kept
    if entry is not None:
        raise SettingsError(
            f"the token {name} in {path} is not the example kernel's: set EXAMPLE_KERNEL=0, or KERNEL_NAME to another "
            f"name, or `make token REVOKE={name}`"
        )
    token = add_token(path, name, scopes, None)
    write_secret(secret, token)
    return token


def auth_secret(path: Path) -> str:
    """Return the secret that signs under `make run`; the first start makes it and keeps it in ``path`` (mode 0600)."""
    if not path.exists():
        write_secret(path, secrets.token_hex(32))
    return path.read_text()


def write_secret(path: Path, text: str) -> None:
    """Write a file that its owner alone may read, all of it or none."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.draft")
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(path)


def _write(path: Path, tokens: Iterable[Token]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_secret(path, "\n".join(map(_show, tokens)))


def _show(token: Token) -> str:
    scopes = ", ".join(f'"{scope}"' for scope in sorted(token.scopes))
    text = f'[[token]]\nname = "{token.name}"\nsha256 = "{token.sha256}"\nscopes = [{scopes}]\n'
    return text if token.expires_at is None else f"{text}expires_at = {format_time(token.expires_at)}\n"
