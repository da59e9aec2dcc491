"""The lines on their way from the training to the spool: a queue with a bound, quick to put into."""

from __future__ import annotations

import queue
import threading
import time
from typing import Tuple, Union

from tunedeck_client.text import Loss, rfc3339

MAX_BYTES = 64 * 1024 * 1024
LINE_OVERHEAD = 300  # bytes that Python needs for a queued line beside its characters
LINES_A_TAKE = 500
BYTES_A_TAKE = 1024 * 1024
STUCK_AFTER = 0.05  # s without progress of the taker: the disk hangs, do not wait for it

# A line as created (Unix time), level, message; or a mark that somebody waits for.
Item = Union[Tuple[float, str, str], threading.Event]


class Backlog:
    """One thread at a time puts, one takes."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Item] = queue.SimpleQueue()
        self._put_bytes = 0  # each of the two counters has one writer, so that neither needs a lock
        self._taken_bytes = 0
        self._progress_at = time.monotonic()
        self._dropped: Loss | None = None
        self._dropping = threading.Lock()

    def put(self, created: float, level: str, message: str) -> None:
        """Queue a line, or count it as dropped where the bound is reached and the taker hangs."""
        if self._full() and not self._room():
            moment = rfc3339(created)
            with self._dropping:
                loss = Loss(1, moment, moment)
                self._dropped = self._dropped.joined(loss) if self._dropped else loss
            return
        self._put_bytes += len(message) + LINE_OVERHEAD
        self._queue.put((created, level, message))

    def _full(self) -> bool:
        return self._put_bytes - self._taken_bytes > MAX_BYTES

    def _room(self) -> bool:
        # A loop that does nothing but log starves the taker of the interpreter: let it have a turn.
        while time.monotonic() - self._progress_at < STUCK_AFTER:
            time.sleep(0.001)
            if not self._full():
                return True
        return False

    def mark(self) -> threading.Event:
        """Queue an event, for the taker to set when all before it is done."""
        event = threading.Event()
        self._queue.put(event)
        return event

    def take(self, *, wait: bool) -> list[Item]:
        """The oldest items, some hundred lines at most; empty only without `wait`. `taken` must follow."""
        items: list[Item] = []
        size = 0
        try:
            while len(items) < LINES_A_TAKE and size < BYTES_A_TAKE:
                item = self._queue.get(block=wait and not items)
                items.append(item)
                size += _size(item)
        except queue.Empty:
            pass
        return items

    def taken(self, items: list[Item]) -> None:
        """These items are done with."""
        self._taken_bytes += sum(_size(item) for item in items)
        self._progress_at = time.monotonic()

    def take_dropped(self) -> Loss | None:
        """What `put` dropped since the last call."""
        with self._dropping:
            dropped, self._dropped = self._dropped, None
        return dropped


def _size(item: Item) -> int:
    return 0 if isinstance(item, threading.Event) else len(item[2]) + LINE_OVERHEAD
