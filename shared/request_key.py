"""A client's idempotency key, with a digest of what it came with; pure."""

from __future__ import annotations

from typing import NamedTuple


class RequestKey(NamedTuple):
    """The same key with another digest is a client's mistake."""

    key: str
    digest: str
