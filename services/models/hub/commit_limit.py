"""Limits what a process's commits hold in memory: each has the files that came within it, until they are stored."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import gevent

from shared.errors import Unavailable

MAX_COMMIT_BYTES = 64 * 2**20
"""Of a body, files in base64 in it."""

MAX_LINE_BYTES = 16 * 2**20
"""Of one file and what names it; a line is in memory several times while it is decoded."""

HELD_BYTES = 4 * MAX_COMMIT_BYTES
_SMALL_BYTES = 2**20
"""Most are smaller, and large ones leave them a quarter of the room."""

PATIENCE_S = 30.0
"""Clients wait for the answer to a commit, and do not ask again."""

_RETRY_AFTER_S = 10
_LOOK_EVERY_S = 0.1


class CommitLimit:
    """Admits so many commits at a time as fit into HELD_BYTES of this process."""

    def __init__(self) -> None:
        self._held = 0

    @contextmanager
    def admit(self, declared_size: int | None) -> Iterator[None]:
        """Keep room for a body during the block, before any of it is read; Unavailable where there is none in time."""
        size = MAX_COMMIT_BYTES if declared_size is None else min(declared_size, MAX_COMMIT_BYTES)
        room = HELD_BYTES if size <= _SMALL_BYTES else HELD_BYTES - MAX_COMMIT_BYTES
        gives_up_at = time.monotonic() + PATIENCE_S
        while self._held + size > room:
            if time.monotonic() > gives_up_at:
                raise Unavailable("Too many commits are under way.", retry_after=_RETRY_AFTER_S)
            gevent.sleep(_LOOK_EVERY_S)
        self._held += size
        try:
            yield
        finally:
            self._held -= size
