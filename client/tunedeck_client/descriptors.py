"""Reads and writes file descriptors, which somebody may have made non-blocking."""

from __future__ import annotations

import os
import select

CHUNK = 65536


def can_read(descriptor: int, timeout: float | None) -> bool:
    """Wait at most `timeout` s until there is something to read, or the end."""
    return bool(select.select([descriptor], [], [], timeout)[0])


def read_some(descriptor: int) -> bytes | None:
    """Return what there is: nothing at the end of the input, None where there is nothing yet."""
    try:
        return os.read(descriptor, CHUNK)
    except BlockingIOError:
        return None
    except OSError:  # the terminal was closed
        return b""


def write_all(descriptor: int, data: bytes) -> None:
    """Write everything, however slow the reader is; raises OSError where there is none."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:  # somebody made it non-blocking, and its reader is slow
            select.select([], [descriptor], [])
