"""One client of a stream: its subscription, its cursor, and the socket on which new lines reach it.

A write through gunicorn and gevent's ``sendall`` costs four times its system call. A client that has everything so far
is therefore written to by the channel itself, without waiting, in ready-made chunks of its answer (RFC 9112, 7.1); its
own greenlet sleeps meanwhile, and does whatever takes longer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gevent.event import Event

from services.logs.lines.queries import Filter


@dataclass(frozen=True)
class Subscription:
    """What a client asked for: which lines, and in which form."""

    as_json: bool = False
    filter: Filter = Filter()


@lru_cache(maxsize=1024)
def subscription(*, as_json: bool, wanted: Filter) -> Subscription:
    """Return the one Subscription of these: clients that want the same are told by ``is``, and share their bytes."""
    return Subscription(as_json, wanted)


def as_chunk(data: bytes) -> bytes:
    """Return bytes as a chunk of a chunked answer; none stay none, for the empty chunk would end it."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


class Subscriber:
    """A client at line ``cursor``; ``connection`` is its gevent socket where its answer is chunked, else None.

    One that wants no more than line ``until`` is woken there.
    """

    __slots__ = ("_clock", "_connection", "_unsent", "_woken", "cursor", "sent_at", "subscription", "until", "waits")

    def __init__(
        self,
        subscription: Subscription,
        cursor: int,
        connection: Any = None,
        clock: Callable[[], float] = time.monotonic,
        *,
        until: int | None = None,
    ) -> None:
        self.subscription = subscription
        self.cursor = cursor
        self.until = until
        self.waits = False
        """Whether its greenlet waits, so that the channel may write to it."""
        self.sent_at = clock()
        self._clock = clock
        self._connection = connection
        self._unsent = b""
        self._woken = Event()

    def wait(self, timeout: float) -> None:
        """Let the channel write to the client until it is woken, or for ``timeout`` seconds."""
        self.waits = True
        self._woken.wait(timeout)
        self._woken.clear()
        self.waits = False
        if self._unsent:
            unsent, self._unsent = self._unsent, b""
            self._connection.sendall(unsent)

    def wake(self) -> None:
        """Have its greenlet go on by itself; nobody else writes to the client until it waits again."""
        self.waits = False
        self._woken.set()

    def push(self, chunk: bytes, cursor: int) -> None:
        """Write the lines up to ``cursor`` to the client that waits, as far as its socket takes them at once."""
        if self._connection is None:
            self.wake()
            return
        try:
            sent = self._connection.send(chunk, 0, 0.0)
        except OSError:
            # Full, or broken: its greenlet writes the same, and waits or fails as a write does.
            self.wake()
            return
        self.sent_at = self._clock()
        self.pass_to(cursor)
        if sent < len(chunk):
            self._unsent = chunk[sent:]
            self.wake()

    def pass_to(self, cursor: int) -> None:
        """Move the cursor of the client that waits, and wake it where it has all that it wants."""
        self.cursor = cursor
        if self.until is not None and cursor >= self.until:
            self.wake()
