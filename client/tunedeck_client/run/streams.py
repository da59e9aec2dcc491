"""The child's standard streams: a pseudo-terminal for those of ours that are a terminal, else pipes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import termios
from typing import Any, Callable

from tunedeck_client.descriptors import read_some

WRITE_WITHIN_S = 1.0  # that a reader has, once the command was told to end

# As raw mode, but what is written goes on being prepared for the terminal.
_RAW_INPUT = termios.ICRNL | termios.INLCR | termios.IGNCR | termios.IXON | termios.ISTRIP | termios.BRKINT
_RAW_LOCAL = termios.ICANON | termios.ECHO | termios.ISIG | termios.IEXTEN


class Streams:
    """`outputs` maps each descriptor that the child's output comes from to ours that it goes to.

    All of it goes to stderr where stdout is kept for something else.
    """

    def __init__(self, *, keeps_stdout: bool = False) -> None:
        self._keeps_stdout = keeps_stdout
        terminals = [descriptor for descriptor in (0, 1, 2) if os.isatty(descriptor)]
        self.outputs: dict[int, int] = {}
        self.child_ends: list[Any] = [None, None, None]
        self.slave: int | None = None
        self._master: int | None = None
        self._terminal = terminals[0] if terminals else None
        self._settings: list[Any] | None = None
        self._typed = b""
        if terminals:
            self._open_terminal(terminals)
        for descriptor in (1, 2):
            if descriptor not in terminals:
                reader, writer = os.pipe()
                self.outputs[reader], self.child_ends[descriptor] = self._ours(descriptor), writer

    def _open_terminal(self, terminals: list[int]) -> None:
        self._master, self.slave = pty.openpty()
        os.set_blocking(self._master, False)
        with contextlib.suppress(termios.error):
            settings = termios.tcgetattr(terminals[0])
            settings[
                1
            ] &= ~termios.OPOST  # line ends are the outer terminal's to make, and the log needs none
            termios.tcsetattr(self.slave, termios.TCSANOW, settings)
        self.resize()
        shown = [descriptor for descriptor in terminals if descriptor != 0]
        self.outputs[self._master] = self._ours(shown[0] if shown else terminals[0])
        for descriptor in terminals:
            self.child_ends[descriptor] = self.slave

    def _ours(self, descriptor: int) -> int:
        return 2 if self._keeps_stdout else descriptor

    def resize(self) -> None:
        """Give the child's terminal the size of ours."""
        if self._master is not None and self._terminal is not None:
            with contextlib.suppress(OSError):
                size = fcntl.ioctl(self._terminal, termios.TIOCGWINSZ, b"\0" * 8)
                fcntl.ioctl(self._master, termios.TIOCSWINSZ, size)

    def started(self) -> None:
        """Close what is the child's; what is typed goes to its terminal from now on, Ctrl-C as well."""
        for descriptor in {end for end in self.child_ends if end is not None}:
            os.close(descriptor)
        if self._master is None or not os.isatty(0) or not _is_foreground(0):
            return
        with contextlib.suppress(termios.error):
            self._settings = termios.tcgetattr(0)
            raw = list(self._settings)
            raw[0] &= ~_RAW_INPUT
            raw[3] &= ~_RAW_LOCAL
            raw[6] = list(raw[6])
            raw[6][termios.VMIN], raw[6][termios.VTIME] = 1, 0
            _set_attributes(raw)

    def wanted(self) -> tuple[list[int], list[int]]:
        """Return what to read from and what to write to, once that is possible."""
        reads, writes = list(self.outputs), []
        if self._settings is not None and self._master in self.outputs:
            if self._typed:
                writes.append(self._master)
            else:
                reads.append(0)
        return reads, writes

    def read_typed(self) -> None:
        """Take what was typed."""
        data = read_some(0)
        if data == b"":  # the terminal is gone
            self._settings = None
        self._typed += data or b""

    def write_typed(self) -> None:
        """Pass on what was typed, as far as the child's terminal takes it."""
        if self._master is not None:
            with contextlib.suppress(OSError):
                self._typed = self._typed[os.write(self._master, self._typed) :]

    def read(self, descriptor: int) -> bytes | None:
        """Return some output; nothing at its end, None where there is none yet."""
        data = read_some(descriptor)
        if data == b"":
            del self.outputs[descriptor]
            if descriptor != self._master:
                os.close(descriptor)
        return data

    def copy(self, descriptor: int, data: bytes, gives_up: Callable[[], bool]) -> bool:
        """Write output to ours; False where nobody reads it any more, or `gives_up` while nobody does."""
        ours, view = self.outputs[descriptor], memoryview(data)
        while view:
            try:
                if select.select([], [ours], [], WRITE_WITHIN_S)[1]:
                    view = view[os.write(ours, view[: select.PIPE_BUF]) :]  # no more, or it may block
                elif gives_up():
                    return False
            except BlockingIOError:
                continue
            except OSError:
                return False
        return True

    def restore(self) -> None:
        """Give our terminal its settings back."""
        if self._settings is not None:
            with contextlib.suppress(termios.error, OSError):
                _set_attributes(self._settings)
            self._settings = None


def open_missing() -> None:
    """Open /dev/null for standard streams that we were started without, or a pipe would get their numbers."""
    descriptor = os.open(os.devnull, os.O_RDWR)
    while descriptor <= 2:
        os.set_inheritable(descriptor, True)
        descriptor = os.open(os.devnull, os.O_RDWR)
    os.close(descriptor)


def take_terminal(slave: int) -> None:
    """Make it the controlling terminal of this process, a child before its `exec`."""
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)


def _is_foreground(descriptor: int) -> bool:
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:
        return False


def _set_attributes(settings: list[Any]) -> None:
    before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    try:
        termios.tcsetattr(0, termios.TCSADRAIN, settings)
    finally:
        signal.signal(signal.SIGTTOU, before)
