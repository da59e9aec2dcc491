"""The services' worker for `make coverage`: saves its figures every second, since most are killed in the end."""

from __future__ import annotations

from coverage import Coverage

from shared.http.worker import Worker


class MeasuredWorker(Worker):
    def notify(self) -> None:
        """Called every second, so that the master sees the worker alive."""
        super().notify()
        measured = Coverage.current()
        if measured is not None:
            measured.save()
