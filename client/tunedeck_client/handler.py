"""A `logging.Handler` that sends each record to a job's log."""

from __future__ import annotations

import logging
import os

from tunedeck_client.line_queue import MAX_QUEUE_BYTES
from tunedeck_client.log_shipper import EXIT_TIMEOUT, MAX_SPOOL_BYTES, LogShipper
from tunedeck_client.sender import PATIENCE
from tunedeck_client.spool import MAX_MEMORY_BYTES
from tunedeck_client.text import level_of_number


class JobLogHandler(logging.Handler):
    """Sends records in the background; a record and its traceback are one line of the log.

    `url` is the base URL of the logs service (`http://127.0.0.1:8001`), `token` defaults to $TUNEDECK_TOKEN.
    Lines that the service has not stored are kept below `spool_dir` (default: the user's state folder), at
    most `max_spool_bytes` of them for each process. At most `max_queue_bytes` are held in memory on their way
    there, and at most `max_memory_bytes` where the disk fails. Times are in seconds: `timeout` of a request,
    `backoff` before the first retry, `patience` until lines of an unknown job are dropped, `exit_timeout` of
    `close`. Raises ValueError for a job_id, url or token that cannot work.
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
    ) -> None:
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

    @property
    def lost(self) -> int:
        """How many lines were lost so far: refused by the service, or dropped for want of room."""
        return self._shipper.lost

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the record; takes microseconds, whatever the service and the disk do."""
        try:
            self._shipper.put(record.created, level_of_number(record.levelno), self.format(record))
        except Exception:  # a bad format string, a __str__ that raises: reported as `logging` does
            self.handleError(record)

    def flush(self, timeout: float | None = 10.0) -> bool:  # type: ignore[override]
        """Wait at most `timeout` s until the service has stored everything so far.

        False if it has not, and if a line was lost since the last flush.
        """
        return self._shipper.flush(timeout)

    def close(self) -> None:
        """Flush for at most `exit_timeout` and stop; what the service has not stored stays in the spool."""
        self._shipper.close()
        super().close()
