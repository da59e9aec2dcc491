"""Who makes a request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime


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

    @property
    def is_current(self) -> bool:
        return self.expires_at is None or datetime.now(UTC) < self.expires_at

    def has(self, scope: str) -> bool:
        """Whether it has a scope; who may write may read, too."""
        return scope in self.scopes or "write" in self.scopes

    @property
    def is_kernel(self) -> bool:
        """Whether it is a kernel and nothing more, which claims jobs under its own name."""
        return "kernel" in self.scopes and "write" not in self.scopes
