"""`make token`: makes a token (NAME=, SCOPES=, DAYS=), revokes one (REVOKE=), or lists those that there are."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from run.token_file import add_token, list_tokens, remove_token
from shared.settings import exit_on, load
from shared.timestamps import format_time


@dataclass(frozen=True)
class _FileSettings:
    data_dir: str = ".data"
    tokens_file: str | None = None


@dataclass(frozen=True)
class _Wanted:
    name: str | None = None
    scopes: str = "read,write"
    days: int | None = None
    revoke: str | None = None


def main(arguments: list[str]) -> None:
    with exit_on(OSError):
        settings = load(_FileSettings)
        # Not from the environment: some shells have a NAME in it.
        wanted = load(_Wanted, dict(argument.split("=", 1) for argument in arguments))
        path = Path(settings.tokens_file or Path(settings.data_dir) / "tokens.toml")
        if wanted.revoke is not None:
            remove_token(path, wanted.revoke)
            print(f"{wanted.revoke} is revoked: within a second no service takes it, nor what was made with it.")
        elif wanted.name is not None:
            _make(path, wanted.name, wanted)
        else:
            _list(path)


def _make(path: Path, name: str, wanted: _Wanted) -> None:
    is_first = not path.exists()
    token = add_token(path, name, [scope.strip() for scope in wanted.scopes.split(",")], wanted.days)
    print(token)
    print(f"This is shown once; {path} keeps its digest.", file=sys.stderr)
    if is_first:
        print("`make run` asks for tokens from its next start on.", file=sys.stderr)


def _list(path: Path) -> None:
    tokens = list_tokens(path)
    for token in tokens:
        ends = "does not expire" if token.expires_at is None else f"expires {format_time(token.expires_at)}"
        print(f"{token.name:24}{','.join(sorted(token.scopes)):24}{ends if token.is_current else 'has expired'}")
    if not tokens:
        print(f"{path} has no tokens: `make token NAME=you SCOPES=read,write` makes one." if path.exists() else OFF)


OFF = "Nobody is asked for a token: `make token NAME=you SCOPES=read,write` makes the first one."

if __name__ == "__main__":
    main(sys.argv[1:])
