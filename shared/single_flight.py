"""Single-flight: of a read that many want at one moment, one is made for all who came before it began."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

from gevent.event import AsyncResult
from gevent.lock import BoundedSemaphore

Row = TypeVar("Row")


class SingleFlight(Generic[Row]):
    """``read`` by key, for each key once at a time.

    Thousands of clients who come back at once would each wait for a connection to the database, most of them in vain.
    """

    def __init__(self, read: Callable[[int], Row]) -> None:
        self._read = read
        self._next: dict[int, AsyncResult[Row]] = {}
        """The reads that have not begun."""
        self._turns: WeakValueDictionary[int, BoundedSemaphore] = WeakValueDictionary()

    def get(self, key: int) -> Row:
        """Return or raise what a read does that begins after this call."""
        if key in self._next:
            waited_for = self._next[key]
        else:
            waited_for = self._next[key] = AsyncResult()
            try:
                with self._turns.setdefault(key, BoundedSemaphore()):
                    del self._next[key]
                    waited_for.set(self._read(key))
            except BaseException as error:  # those who share it would wait for ever
                if self._next.get(key) is waited_for:
                    del self._next[key]
                waited_for.set_exception(error)
        row: Row = waited_for.get()
        return row
