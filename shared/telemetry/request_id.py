"""The id of the request at hand: it comes with the request, is in each log line, and goes on to whoever is asked."""

from __future__ import annotations

import os
import re
import threading
from contextvars import ContextVar

HEADER = "X-Request-ID"

_VALID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_present: ContextVar[tuple[int, str] | None] = ContextVar("request_id", default=None)


def begin_request(sent: str = "") -> str:
    """Set the id of what this greenlet or thread does from now on, the one that was sent or a new one; return it."""
    request_id = sent if _VALID.fullmatch(sent) else os.urandom(16).hex()
    _present.set((threading.get_ident(), request_id))
    return request_id


def current_request_id() -> str | None:
    """Return the id of the request at hand, None outside of one.

    A greenlet begins with a copy of its maker's context, and what it does in the background is no part of the request.
    """
    present = _present.get()
    return present[1] if present is not None and present[0] == threading.get_ident() else None


def request_id_headers() -> dict[str, str]:
    """Return the header by which another service is told of the request at hand."""
    request_id = current_request_id()
    return {} if request_id is None else {HEADER: request_id}
