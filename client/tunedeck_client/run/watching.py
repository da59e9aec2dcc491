"""Watches a child from its start to its end: output passed on and logged, input and signals passed to it."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from types import FrameType
from typing import Callable

from tunedeck_client.lines.output import Line, OutputLines
from tunedeck_client.run.child import Child
from tunedeck_client.run.streams import Streams

QUIET_S = 0.5  # without output once the child has ended: others hold its output open
DRAIN_S = 5.0  # the most for which such others are still listened to
LOOK_EVERY_S = 1.0

_PASSED_ON = (signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_ENDING = (signal.SIGTERM, signal.SIGHUP)


class Interrupted(Exception):
    """A signal came after the child had ended."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class Signals:
    """Our signals: passed on to the child while it runs, raised as Interrupted once it has ended."""

    def __init__(self, streams: Streams) -> None:
        self.ended_by: int | None = None
        self._streams = streams
        self._child: Child | None = None
        self.child_has_ended = False
        self.wakes, self._wakeup = os.pipe()
        for descriptor in (self.wakes, self._wakeup):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(self._wakeup, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, self._take)
        signal.signal(signal.SIGWINCH, self._take)
        for number in _PASSED_ON + _ENDING:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
                signal.signal(number, self._take)

    def child_started(self, child: Child) -> None:
        self._child = child
        if self.ended_by is not None:
            child.terminate(self.ended_by)

    def restore(self) -> None:
        """Let a further signal end us at once."""
        for number in _PASSED_ON + _ENDING:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)

    def _take(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGWINCH:
            self._streams.resize()
        elif number != signal.SIGCHLD and self.child_has_ended:
            raise Interrupted(number)
        elif number in _ENDING:
            self.ended_by = self.ended_by or number
            if self._child is not None:
                self._child.terminate(number)
        elif number in _PASSED_ON and self._child is not None:
            self._child.send(number)


def watch(child: Child, streams: Streams, wakes: int, put: Callable[[list[Line]], None]) -> int:
    """Return the child's code once it has ended and its output is read.

    What it has started may live on and hold the output open: it is listened to for a moment.
    """
    lines = {descriptor: OutputLines() for descriptor in streams.outputs}
    copied = set(streams.outputs)
    ended_at, read_at = 0.0, time.monotonic()
    while True:
        now = time.monotonic()
        code = child.code
        if code is not None:
            ended_at = ended_at or now
            is_quiet = now - max(read_at, ended_at) >= QUIET_S
            if not streams.outputs or is_quiet or now - ended_at >= DRAIN_S:
                break
        for descriptor in _ready(streams, wakes, _wait_s(lines, now, has_ended=code is not None)):
            data = streams.read(descriptor) if descriptor in streams.outputs else None
            if data:
                read_at = time.monotonic()
                if descriptor in copied and not streams.copy(descriptor, data, child.is_told_to_end):
                    copied.discard(descriptor)  # the reader is gone; the log goes on
                put(lines[descriptor].feed(data, read_at))
        for output in lines.values():
            put(output.due(time.monotonic()))
    for output in lines.values():
        put(output.end(time.monotonic()))
    return code


def _wait_s(lines: dict[int, OutputLines], now: float, *, has_ended: bool) -> float:
    dues = [due for due in (output.due_in(now) for output in lines.values()) if due is not None]
    return min([LOOK_EVERY_S, *dues, *([QUIET_S / 5] if has_ended else [])])


def _ready(streams: Streams, wakes: int, wait_s: float) -> list[int]:
    """Wait for output, which is returned; what is typed and what wakes us is taken here."""
    reads, writes = streams.wanted()
    readable, writable, _ = select.select([*reads, wakes], writes, [], wait_s)
    if wakes in readable:
        with contextlib.suppress(BlockingIOError):
            os.read(wakes, 512)
    if 0 in readable and 0 in reads:
        streams.read_typed()
    if writable:
        streams.write_typed()
    return [descriptor for descriptor in readable if descriptor not in (0, wakes)]
