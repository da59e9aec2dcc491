"""How long a server asks to be left alone (Retry-After, RFC 9110, 10.2.3)."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

MAX_SECONDS = 300.0
"""A longer time counts as this."""


def read_retry_after(header: str | None) -> float | None:
    """Return the seconds, from 0 to MAX_SECONDS, or None for a header that is missing or says nothing."""
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(header).timestamp() - time.time()
        except (TypeError, ValueError, IndexError):
            return None
    return max(0.0, min(seconds, MAX_SECONDS)) if seconds == seconds else None
