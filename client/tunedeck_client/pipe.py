"""`tunedeck-log`: copies its input to its output, and sends it to a job's log line by line."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from types import FrameType

from tunedeck_client.descriptors import can_read, read_some, write_all
from tunedeck_client.lines.output import OutputLines
from tunedeck_client.shipping.log_shipper import EXIT_TIMEOUT, LogShipper
from tunedeck_client.version import __version__


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
    _ship(shipper, OutputLines(options.level), copy=not options.quiet)
    if not shipper.close():
        # A thread hangs in the system, inside of TLS perhaps: it must not see the interpreter end.
        os._exit(0)
    return 0


def _ship(shipper: LogShipper, output: OutputLines, *, copy: bool) -> None:
    """Copy until the input ends. The first signal ends the program before us, which has last words."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
            signal.signal(number, _once)
    while True:
        if not can_read(0, output.due_in(time.monotonic())):
            shipper.put_output(output.due(time.monotonic()))
            continue
        data = read_some(0)
        if data is None:
            continue
        if not data:
            break
        if copy:
            try:
                write_all(1, data)
            except OSError:
                copy = False  # the reader is gone; the log goes on
        shipper.put_output(output.feed(data, time.monotonic()))
    shipper.put_output(output.end(time.monotonic()))


def _once(number: int, frame: FrameType | None) -> None:
    """Let a second signal end the process."""
    signal.signal(number, signal.SIG_DFL)


if __name__ == "__main__":
    sys.exit(main())
