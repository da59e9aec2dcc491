"""What an upload and a download have in common: the service that they ask, and whom they tell of it."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import Callable

from tunedeck_client.transport.service import Service, Stopped

TELL_EVERY_S = 0.1
"""A file moves by 128 KiB at a time; who draws a bar for it takes longer than that."""

OnProgress = Callable[[str, int, int], None]
"""Is told a file's path in the model, how many of its bytes have been sent or are here, and its size."""


def opened_service(url: str | None, token: str | None, patience: float) -> contextlib.closing[Service]:
    """Give the service at `url` for a block; it and `token` are those of the environment unless given."""
    return contextlib.closing(
        Service(
            url or os.environ.get("TUNEDECK_URL") or "http://localhost:8080",
            token or os.environ.get("TUNEDECK_TOKEN"),
            patience=patience,
        )
    )


class Progress:
    """Tells `on_progress` of each file, ten times a second at most beside its start and its end.

    From several threads, but never from two at once. Raises Stopped once the service is.
    """

    def __init__(self, service: Service, on_progress: OnProgress | None) -> None:
        self._service = service
        self._on_progress = on_progress
        self._telling = threading.Lock()
        self._told_at: dict[str, float] = {}

    def __call__(self, path: str, done: int, size: int) -> None:
        if self._service.stop.is_set():
            raise Stopped("stopped")
        if self._on_progress is None:
            return
        now = time.monotonic()
        if 0 < done < size and now - self._told_at.get(path, 0.0) < TELL_EVERY_S:
            return
        self._told_at[path] = now
        with self._telling:
            self._on_progress(path, done, size)
