"""gunicorn's gevent worker for `make coverage`: saves its figures every second, since most are killed in the end."""

from __future__ import annotations

from coverage import Coverage
from gunicorn.workers.ggevent import GeventWorker


class MeasuredWorker(GeventWorker):
    def notify(self) -> None:
        """Called every second, so that the master sees the worker alive."""
        super().notify()
        measured = Coverage.current()
        if measured is not None:
            measured.save()
