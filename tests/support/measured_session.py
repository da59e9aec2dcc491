"""For `make coverage`: saves what pytest itself has run; xdist's workers end without the handlers of an exit."""

from __future__ import annotations

from coverage import Coverage


def pytest_sessionfinish() -> None:
    measured = Coverage.current()
    if measured is not None:
        measured.save()
