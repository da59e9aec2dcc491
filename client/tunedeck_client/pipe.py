"""`tunedeck-log`: sends what a program prints to a job's log, and lets it through."""

from __future__ import annotations

import argparse
import codecs
import contextlib
import os
import select
import signal
import socket
import sys
import time
from types import FrameType

from tunedeck_client.channel import Channel
from tunedeck_client.text import Folder, level_of_text
from tunedeck_client.version import __version__

CHUNK = 65536
LAST_WORDS = 1.0  # s after a signal in which the program may still print


def main(arguments: list[str] | None = None) -> int:
    """Run the command. 0 unless its own arguments are wrong: a dead service must not fail the training."""
    parser = argparse.ArgumentParser(prog="tunedeck-log", description=__doc__)
    parser.add_argument("--job", type=int, required=True, metavar="ID")
    parser.add_argument("--url", default=os.environ.get("LOGS_URL") or "http://127.0.0.1:8001")
    parser.add_argument("--source", default="kernel")
    parser.add_argument("--level", default="info", choices=["debug", "info", "warn", "error"])
    parser.add_argument("--spool-dir")
    parser.add_argument("--quiet", action="store_true", help="print nothing")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    options = parser.parse_args(arguments)
    try:
        channel = Channel(options.job, options.url, source=options.source, spool_dir=options.spool_dir)
    except ValueError as error:
        parser.error(str(error))
    try:
        _Pipe(channel, options.level, copy=not options.quiet).run()
    finally:
        channel.close()
    return 0


class _Pipe:
    def __init__(self, channel: Channel, level: str, *, copy: bool) -> None:
        self._channel = channel
        self._level = level
        self._copy = copy
        self._folder = Folder()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def run(self) -> None:
        """Until the input ends; after a signal only until the program's last words are read."""
        bell, wakes = socket.socketpair()
        with bell, wakes:
            bell.setblocking(False)
            signal.set_wakeup_fd(bell.fileno())
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, _once)
            end: float | None = None
            while end is None or time.monotonic() < end:
                watched = [0] if end is not None else [0, wakes.fileno()]
                ready = select.select(watched, [], [], None if end is None else end - time.monotonic())[0]
                if 0 in ready:
                    data = _read()
                    if not data:
                        break
                    self._take(data)
                elif ready:
                    end = time.monotonic() + LAST_WORDS
            signal.set_wakeup_fd(-1)
        rest = self._decoder.decode(b"", final=True)
        self._log(self._folder.feed(rest, time.monotonic()) + self._folder.end())

    def _take(self, data: bytes) -> None:
        if self._copy:
            try:
                _write_all(data)
            except OSError:
                self._copy = False  # nobody reads on; the log goes on
        self._log(self._folder.feed(self._decoder.decode(data), time.monotonic()))

    def _log(self, lines: list[str]) -> None:
        for line in lines:
            self._channel.put(time.time(), level_of_text(line, self._level), line)


def _once(number: int, frame: FrameType | None) -> None:
    """The wake-up has told the loop; a second signal ends the process as if there were no handler."""
    with contextlib.suppress(ValueError):
        signal.signal(number, signal.SIG_DFL)


def _read() -> bytes:
    try:
        return os.read(0, CHUNK)
    except OSError:  # a terminal that was closed
        return b""


def _write_all(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]


if __name__ == "__main__":
    sys.exit(main())
