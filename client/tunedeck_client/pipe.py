"""`tunedeck-log`: copies its input to its output, and sends it to a job's log line by line."""

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

from tunedeck_client.log_shipper import EXIT_TIMEOUT, LogShipper
from tunedeck_client.text import LineSplitter, level_of_text
from tunedeck_client.version import __version__

CHUNK = 65536
DRAIN_TIMEOUT = 1.0  # s after a signal in which the program may still print


def main(arguments: list[str] | None = None, *, exit_timeout: float = EXIT_TIMEOUT) -> int:
    """Run the command; return 0 whatever the service does, or a dead service would fail the training."""
    parser = argparse.ArgumentParser(prog="tunedeck-log", description=__doc__)
    parser.add_argument("--job", type=int, required=True, metavar="ID")
    parser.add_argument("--url", default=os.environ.get("LOGS_URL") or "http://127.0.0.1:8001")
    parser.add_argument("--source", default="kernel")
    parser.add_argument("--level", default="info", choices=["debug", "info", "warn", "error"])
    parser.add_argument("--spool-dir")
    parser.add_argument("--quiet", action="store_true", help="do not copy the input to the output")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    options = parser.parse_args(arguments)
    try:
        shipper = LogShipper(
            options.job,
            options.url,
            source=options.source,
            spool_dir=options.spool_dir,
            exit_timeout=exit_timeout,
        )
    except ValueError as error:
        parser.error(str(error))
    try:
        _Pipe(shipper, options.level, copy=not options.quiet).run()
    finally:
        shipper.close()
    return 0


class _Pipe:
    def __init__(self, shipper: LogShipper, level: str, *, copy: bool) -> None:
        self._shipper = shipper
        self._level = level
        self._copy = copy
        self._splitter = LineSplitter()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def run(self) -> None:
        """Copy until the input ends; after a signal for DRAIN_TIMEOUT at most."""
        wakeup, signalled = socket.socketpair()
        with wakeup, signalled:
            wakeup.setblocking(False)
            signal.set_wakeup_fd(wakeup.fileno())
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, _once)
            end: float | None = None
            while end is None or time.monotonic() < end:
                watched = [0] if end is not None else [0, signalled.fileno()]
                ready = select.select(watched, [], [], None if end is None else end - time.monotonic())[0]
                if 0 in ready:
                    data = _read()
                    if not data:
                        break
                    self._take(data)
                elif ready:
                    end = time.monotonic() + DRAIN_TIMEOUT
            signal.set_wakeup_fd(-1)
        rest = self._decoder.decode(b"", final=True)
        self._log(self._splitter.feed(rest, time.monotonic()) + self._splitter.end())

    def _take(self, data: bytes) -> None:
        if self._copy:
            try:
                _write_all(data)
            except OSError:
                self._copy = False  # the reader is gone; the log goes on
        self._log(self._splitter.feed(self._decoder.decode(data), time.monotonic()))

    def _log(self, lines: list[str]) -> None:
        for line in lines:
            self._shipper.put(time.time(), level_of_text(line, self._level), line)


def _once(number: int, frame: FrameType | None) -> None:
    """Let a second signal end the process; the loop sees this one by its socket."""
    with contextlib.suppress(ValueError):
        signal.signal(number, signal.SIG_DFL)


def _read() -> bytes:
    try:
        return os.read(0, CHUNK)
    except OSError:  # the terminal was closed
        return b""


def _write_all(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]


if __name__ == "__main__":
    sys.exit(main())
