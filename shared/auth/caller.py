"""Who makes a request, as their token says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from shared.auth.tokens import SCOPES, Token


@dataclass(frozen=True)
class Caller:
    """``job_id`` where it is a job's training, which may touch that job alone."""

    name: str
    scopes: frozenset[str]
    fingerprint: str | None = None
    """Of the entry in the file of tokens by which it lives and dies; none for a service."""
    job_id: int | None = None
    expires_at: datetime | None = None
    by_cookie: bool = False

    def has(self, scope: str) -> bool:
        """Whether it has a scope; who may write may read, too."""
        return scope in self.scopes or "write" in self.scopes

    @property
    def is_kernel(self) -> bool:
        """Whether it is a kernel and nothing more, which claims jobs under its own name."""
        return "kernel" in self.scopes and "write" not in self.scopes


EVERYBODY = Caller("", frozenset(SCOPES))
"""Where no tokens are configured."""

NOBODY = Caller("", frozenset())


@lru_cache(1024)
def of_token(token: Token) -> Caller:
    return Caller(token.name, token.scopes, token.fingerprint, expires_at=token.expires_at)
