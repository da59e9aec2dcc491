"""A `logging.Handler` that sends each record to a job's log, and the metrics beside them."""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from typing import Any, Mapping

from tunedeck_client.crash import log_crashes
from tunedeck_client.lines.levels import level_of_number
from tunedeck_client.shipping.line_queue import MAX_QUEUE_BYTES
from tunedeck_client.shipping.log_shipper import EXIT_TIMEOUT, MAX_SPOOL_BYTES, LogShipper
from tunedeck_client.shipping.points import MAX_STEP, numbers_of
from tunedeck_client.shipping.sender import PATIENCE
from tunedeck_client.shipping.spool import MAX_MEMORY_BYTES

CLOSE_TIMEOUT = 0.9  # s for which `flush` and `close` each wait: logging.shutdown and dictConfig call both


class _LastRecords(threading.local):
    def __init__(self) -> None:
        self.by_destination: dict[tuple[int, str], weakref.ref[logging.LogRecord]] = {}


_last_records = _LastRecords()


class JobLogHandler(logging.Handler):
    """Sends records in the background; a record and its traceback are one line of the log.

    `url` is the base URL of the logs service (`http://127.0.0.1:8001`), `token` defaults to $TUNEDECK_TOKEN.
    Lines that the service has not stored are kept below `spool_dir` (default: the user's state folder), at
    most `max_spool_bytes` of them for each process. At most `max_queue_bytes` are held in memory on their way
    there, and at most `max_memory_bytes` where the disk fails. Times are in seconds: `timeout` of a request,
    `backoff` before the first retry, `patience` until lines of an unknown job are dropped, `exit_timeout`
    without progress until the end of the process waits no longer. An exception that nobody catches is logged,
    too, unless `excepthook` is false. Raises ValueError for a job_id, url or token that cannot work.
    """

    def __init__(
        self,
        job_id: int,
        *,
        url: str,
        source: str = "kernel",
        spool_dir: str | os.PathLike[str] | None = None,
        max_spool_bytes: int = MAX_SPOOL_BYTES,
        max_queue_bytes: int = MAX_QUEUE_BYTES,
        max_memory_bytes: int = MAX_MEMORY_BYTES,
        token: str | None = None,
        timeout: float = 15.0,
        backoff: float = 0.5,
        patience: float = PATIENCE,
        exit_timeout: float = EXIT_TIMEOUT,
        level: int = logging.NOTSET,
        excepthook: bool = True,
    ) -> None:
        self._held = 0
        self._step = -1
        super().__init__(level)
        self._shipper = LogShipper(
            job_id,
            url,
            source=source,
            spool_dir=spool_dir,
            max_spool_bytes=max_spool_bytes,
            max_queue_bytes=max_queue_bytes,
            max_memory_bytes=max_memory_bytes,
            token=token,
            timeout=timeout,
            backoff=backoff,
            patience=patience,
            exit_timeout=exit_timeout,
        )
        if excepthook:
            log_crashes(self._shipper)

    @property
    def lost(self) -> int:
        """How many lines were lost so far: refused by the service, or dropped for want of room."""
        return self._shipper.lost

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the record; takes microseconds, whatever the service and the disk do.

        A record that reaches handlers of one job twice, by a logger and by its parent, is sent once.
        """
        try:
            if self._is_repeat(record):
                return
            self._shipper.put(record.created, level_of_number(record.levelno), self.format(record))
        except Exception:  # a bad format string, a __str__ that raises: reported as `logging` does
            self.handleError(record)

    def log_metrics(
        self, values: Mapping[str, Any], step: int | None = None, *, epoch: float | None = None
    ) -> None:
        """Queue the metrics of a step, `{"loss": 0.45}`; takes microseconds, as a record does.

        Without `step` it is the one after the last. `epoch` is a metric of that name. The same name and step
        again replaces the value; NaN and the infinities are kept. What is no number is left out.
        """
        self.acquire()
        try:
            self._step = self._step + 1 if step is None else min(max(0, int(step)), MAX_STEP)
            numbers = numbers_of(values if epoch is None else {**values, "epoch": epoch})
            if numbers:
                self._shipper.put_values(time.time(), self._step, numbers)
        finally:
            self.release()

    def log_error(self, message: str) -> None:
        """Queue a line of level error that is no record of `logging`."""
        self.acquire()
        try:
            self._shipper.put(time.time(), "error", message)
        finally:
            self.release()

    def set_token(self, token: str) -> None:
        """Send by this token from now on."""
        self._shipper.set_job(self._shipper.destination[0], token)

    def _is_repeat(self, record: logging.LogRecord) -> bool:
        last, destination = _last_records.by_destination, self._shipper.destination
        seen, last[destination] = last.get(destination), weakref.ref(record)
        return seen is not None and seen() is record

    def acquire(self) -> None:
        super().acquire()
        self._held += 1

    def release(self) -> None:
        self._held -= 1
        super().release()

    def flush(self, timeout: float | None = 10.0) -> bool:  # type: ignore[override]
        """Wait at most `timeout` s until the service has stored everything so far.

        False if it has not, and if a line was lost since the last flush. `logging.shutdown`, which holds the
        handler's lock meanwhile, waits for a moment only: `dictConfig` calls it in the middle of a program.
        """
        if self._held:
            timeout = CLOSE_TIMEOUT
        return self._shipper.flush(timeout)

    def close(self) -> None:
        """Flush for a moment. As with logging's own handlers, the next record opens it again.

        What the service has not stored by then is sent after the next record, or at the end of the process.
        """
        self._shipper.rest(CLOSE_TIMEOUT)
        super().close()
