"""`tunedeck-log`: copies its input to its output, and sends it to a job's log line by line."""

from __future__ import annotations

import argparse
import codecs
import os
import select
import signal
import sys
import time
from types import FrameType

from tunedeck_client.lines.levels import TracebackJoiner, level_of_text
from tunedeck_client.lines.terminal import Terminal
from tunedeck_client.shipping.log_shipper import EXIT_TIMEOUT, LogShipper
from tunedeck_client.version import __version__

CHUNK = 65536


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
    _Pipe(shipper, options.level, copy=not options.quiet).run()
    if not shipper.close():
        # A thread hangs in the system, inside of TLS perhaps: it must not see the interpreter end.
        os._exit(0)
    return 0


class _Pipe:
    def __init__(self, shipper: LogShipper, level: str, *, copy: bool) -> None:
        self._shipper = shipper
        self._level = level
        self._copy = copy
        self._terminal = Terminal()
        self._tracebacks = TracebackJoiner()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def run(self) -> None:
        """Copy until the input ends. The first signal ends the program before us, which has last words."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
                signal.signal(number, _once)
        while True:
            if not _can_read(self._due_in()):
                self._log(self._terminal.due(time.monotonic()))
                continue
            data = _read()
            if data is None:
                continue
            if not data:
                break
            self._take(data)
        now = time.monotonic()
        rest = self._decoder.decode(b"", final=True)
        self._log(self._terminal.feed(rest, now) + self._terminal.end())
        self._put(self._tracebacks.end())

    def _due_in(self) -> float | None:
        now = time.monotonic()
        times = [due for due in (self._terminal.due_in(now), self._tracebacks.due_in(now)) if due is not None]
        return min(times) if times else None

    def _take(self, data: bytes) -> None:
        if self._copy:
            try:
                _write_all(data)
            except OSError:
                self._copy = False  # the reader is gone; the log goes on
        self._log(self._terminal.feed(self._decoder.decode(data), time.monotonic()))

    def _log(self, lines: list[str]) -> None:
        now = time.monotonic()
        for line in lines:
            self._put(self._tracebacks.feed(line, now))
        self._put(self._tracebacks.due(now))

    def _put(self, lines: list[str]) -> None:
        for line in lines:
            self._shipper.put(time.time(), level_of_text(line, self._level), line, wait=True)


def _once(number: int, frame: FrameType | None) -> None:
    """Let a second signal end the process."""
    signal.signal(number, signal.SIG_DFL)


def _can_read(timeout: float | None) -> bool:
    return bool(select.select([0], [], [], timeout)[0])


def _read() -> bytes | None:
    """Return what there is: nothing at the end of the input, None where there is nothing yet."""
    try:
        return os.read(0, CHUNK)
    except BlockingIOError:
        return None
    except OSError:  # the terminal was closed
        return b""


def _write_all(data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(1, view) :]
        except BlockingIOError:  # somebody made it non-blocking, and its reader is slow
            select.select([], [1], [])


if __name__ == "__main__":
    sys.exit(main())
