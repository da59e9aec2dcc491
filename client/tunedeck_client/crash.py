"""Logs the exception that ends a program or a thread, and leaves the hooks that were there in force."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
import traceback
import weakref
from types import TracebackType
from typing import Any

from tunedeck_client.shipping.log_shipper import LogShipper

_shippers: weakref.WeakSet[LogShipper] = weakref.WeakSet()


def log_crashes(shipper: LogShipper) -> None:
    """Have what nobody catches logged by `shipper`, as an error with its traceback, from now on."""
    if not _shippers:
        _install()
    _shippers.add(shipper)


def _install() -> None:
    if getattr(sys.excepthook, "is_tunedecks", False):
        return
    of_program, of_threads = sys.excepthook, threading.excepthook

    def log_program(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
        _log(kind, error, where, "")
        of_program(kind, error, where)

    def log_thread(arguments: Any) -> None:
        if arguments.exc_type is not SystemExit:
            name = arguments.thread.name if arguments.thread else "unknown"
            _log(arguments.exc_type, arguments.exc_value, arguments.exc_traceback, f"in thread {name}: ")
        of_threads(arguments)

    log_program.is_tunedecks = True  # type: ignore[attr-defined]
    sys.excepthook, threading.excepthook = log_program, log_thread


def _log(
    kind: type[BaseException], error: BaseException | None, where: TracebackType | None, prefix: str
) -> None:
    with contextlib.suppress(Exception):  # the program's own error is the one to be seen
        text = prefix + "".join(traceback.format_exception(kind, error, where)).rstrip()
        for shipper in {shipper.destination: shipper for shipper in list(_shippers)}.values():
            shipper.put(time.time(), "error", text)
