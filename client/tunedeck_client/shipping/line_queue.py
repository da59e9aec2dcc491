"""The queue between the training and the spool: bounded, and cheap to put into."""

from __future__ import annotations

import queue
import threading
import time
from typing import NamedTuple, Tuple, Union

from tunedeck_client.lines.text import Loss, rfc3339

MAX_QUEUE_BYTES = 64 * 1024 * 1024
LINE_OVERHEAD = 300  # bytes that a queued line takes in Python beside its characters
LINES_A_TAKE = 500
BYTES_A_TAKE = 1024 * 1024
STALLED_AFTER = 0.5  # s without progress of the consumer: the disk hangs, do not wait for it
STALLED_AFTER_WAITING = 30.0  # the same where the producer rather waits than loses a line

VALUE_OVERHEAD = 100  # the same of one value of a step


class StepValues(NamedTuple):
    """The metrics of one step, with their Unix time."""

    created: float
    step: int
    values: dict[str, float]


# A line as (Unix time, level, message), or the metrics of a step; and an event that `flush` waits for.
Record = Union[Tuple[float, str, str], StepValues]
Item = Union[Record, threading.Event]


class LineQueue:
    """A queue of one producer at a time and one consumer, bounded by `max_bytes`."""

    def __init__(self, max_bytes: int = MAX_QUEUE_BYTES) -> None:
        self._max_bytes = max_bytes
        self._queue: queue.SimpleQueue[Item] = queue.SimpleQueue()
        self._put_bytes = 0  # each of these two counters has one writer and needs no lock
        self._taken_bytes = 0
        self._progress_at = time.monotonic()
        self._full_since: float | None = None
        self._dropped: dict[str, Loss] = {}
        self._dropping = threading.Lock()

    def put(self, record: Record, *, wait: bool = False) -> None:
        """Queue a record; count it as dropped where the queue is full and its consumer makes no progress."""
        if self._full() and not self._room(STALLED_AFTER_WAITING if wait else STALLED_AFTER):
            self._drop(record[0], "metric point" if isinstance(record, StepValues) else "line")
            return
        self._put_bytes += _size(record)
        self._queue.put(record)

    def _drop(self, created: float, noun: str) -> None:
        moment = rfc3339(created)
        loss = Loss(1, moment, moment, noun)
        with self._dropping:
            before = self._dropped.get(noun)
            self._dropped[noun] = before.joined(loss) if before else loss

    def _full(self) -> bool:
        return self._put_bytes - self._taken_bytes > self._max_bytes

    def _room(self, stalled_after: float) -> bool:
        if self._full_since is None:
            self._full_since = time.monotonic()
        # A loop that only logs starves the consumer of the GIL: yield to it.
        while time.monotonic() - max(self._full_since, self._progress_at) < stalled_after:
            time.sleep(0.001)
            if not self._full():
                self._full_since = None
                return True
        return False

    def mark(self) -> threading.Event:
        """Queue an event that the consumer sets once it is done with everything before it."""
        event = threading.Event()
        self._queue.put(event)
        return event

    def take(self, *, wait: bool) -> list[Item]:
        """Return the oldest items, some hundred at most; none only without `wait`. Call `taken` when done."""
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
        """Release the room of items that the consumer is done with."""
        self._taken_bytes += sum(_size(item) for item in items)
        self._progress_at = time.monotonic()

    def take_dropped(self) -> list[Loss]:
        """Return what was dropped since the last call."""
        with self._dropping:
            dropped, self._dropped = self._dropped, {}
        return list(dropped.values())


def _size(item: Item) -> int:
    if isinstance(item, StepValues):
        return len(item.values) * VALUE_OVERHEAD + LINE_OVERHEAD
    return 0 if isinstance(item, threading.Event) else len(item[2]) + LINE_OVERHEAD
