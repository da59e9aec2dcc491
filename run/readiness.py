"""Whether a part answers at the address by which it is known to be ready."""

from __future__ import annotations

import socket
import urllib.request
from urllib.error import URLError
from urllib.parse import urlsplit


def answers(url: str) -> bool:
    """Return whether a ready URL answers 200, or its ``tcp:`` address accepts a connection."""
    parts = urlsplit(url)
    if parts.scheme == "tcp":
        return _accepts_connections(parts.hostname or "", parts.port or 0)
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


def _accepts_connections(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=2).close()
        return True
    except OSError:
        return False
