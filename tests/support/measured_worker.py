"""The services' worker for `make coverage`: saves its figures as it runs, since most are killed in the end."""

from __future__ import annotations

import time

from coverage import Coverage

from shared.http.worker import Worker

# Of a worker's time. Each second, a dozen idle workers took a core of the two.
MOST_FOR_SAVING = 0.01


class MeasuredWorker(Worker):
    _next_save = 0.0

    def notify(self) -> None:
        """Called every second, so that the master sees the worker alive."""
        super().notify()
        measured = Coverage.current()
        started = time.monotonic()
        if measured is not None and started >= self._next_save:
            measured.save()
            ended = time.monotonic()
            self._next_save = ended + (ended - started) / MOST_FOR_SAVING
