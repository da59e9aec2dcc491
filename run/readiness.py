"""Whether a part answers at the address by which it is known to be ready, and what it says where it is not."""

from __future__ import annotations

import contextlib
import json
import socket
import urllib.error
import urllib.request
from urllib.parse import urlsplit


def answers(url: str) -> bool:
    """Return whether a ready URL answers 200, or its ``tcp:`` address accepts a connection."""
    parts = urlsplit(url)
    try:
        if parts.scheme == "tcp":
            socket.create_connection((parts.hostname or "", parts.port or 0), timeout=2).close()
            return True
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def refusal(url: str) -> str:
    """Return what ``/readyz`` says of each dependency that is not ready ("store: Unavailable: …"), "" if of none."""
    with contextlib.suppress(OSError, ValueError, RecursionError, AttributeError):
        try:
            urllib.request.urlopen(url, timeout=10).close()
        except urllib.error.HTTPError as answer:
            with answer:
                states = json.loads(answer.read(100_000))
            return "; ".join(f"{name}: {state}" for name, state in states.items() if state != "ok")
    return ""
