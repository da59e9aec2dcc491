"""Whether a part answers at the address by which it is known to be ready."""

from __future__ import annotations

import socket
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
