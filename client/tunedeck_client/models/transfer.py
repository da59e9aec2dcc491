"""What an upload and a download have in common: the service that they ask, and whom they tell of it."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import Callable, Iterator

from tunedeck_client.transport.service import Service, Stopped

OnProgress = Callable[[str, int, int], None]
"""Is told a file's path in the model, how many of its bytes have been sent or are here, and its size."""


@contextlib.contextmanager
def opened_service(url: str | None, token: str | None, patience: float) -> Iterator[Service]:
    """Give the service at `url` for a block; it and `token` are those of the environment unless given."""
    service = Service(
        url or os.environ.get("TUNEDECK_URL") or "http://localhost:8080",
        token or os.environ.get("TUNEDECK_TOKEN"),
        patience=patience,
    )
    try:
        yield service
    finally:
        service.close()


class Progress:
    """Tells `on_progress`, from several threads but never from two at once; Stopped once the service is."""

    def __init__(self, service: Service, on_progress: OnProgress | None) -> None:
        self._service = service
        self._on_progress = on_progress
        self._telling = threading.Lock()

    def __call__(self, path: str, done: int, size: int) -> None:
        if self._service.stop.is_set():
            raise Stopped("stopped")
        if self._on_progress is not None:
            with self._telling:
                self._on_progress(path, done, size)
