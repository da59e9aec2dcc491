"""A `logging.Handler` that sends a training's records to its job's log."""

from __future__ import annotations

import logging
import os

from tunedeck_client.channel import MAX_SPOOL_BYTES, Channel
from tunedeck_client.sender import PATIENCE
from tunedeck_client.text import level_of_number


class JobLogHandler(logging.Handler):
    """Each record becomes one line of the job's log; a traceback belongs to its record's line.

    `url` is the base of the logs service (`http://127.0.0.1:8001`), `token` defaults to $TUNEDECK_TOKEN.
    Lines that the service has not stored wait below `spool_dir` (default: the user's state folder), in at
    most `max_spool_bytes` for each process. `timeout` (s) is that of a request, `backoff` (s) the first pause
    after one that failed, `patience` (s) how long an unknown job is waited for. ValueError for a job_id, url
    or token that cannot work.
    """

    def __init__(
        self,
        job_id: int,
        *,
        url: str,
        source: str = "kernel",
        spool_dir: str | os.PathLike[str] | None = None,
        max_spool_bytes: int = MAX_SPOOL_BYTES,
        token: str | None = None,
        timeout: float = 15.0,
        backoff: float = 0.5,
        patience: float = PATIENCE,
        level: int = logging.NOTSET,
    ) -> None:
        super().__init__(level)
        self._channel = Channel(
            job_id,
            url,
            source=source,
            spool_dir=spool_dir,
            max_spool_bytes=max_spool_bytes,
            token=token,
            timeout=timeout,
            backoff=backoff,
            patience=patience,
        )

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the record; microseconds, whatever the service or the disk do."""
        try:
            self._channel.put(record.created, level_of_number(record.levelno), self.format(record))
        except Exception:  # a bad format string, a __str__ that raises: logging's own way to say so
            self.handleError(record)

    def flush(self, timeout: float | None = 10.0) -> bool:  # type: ignore[override]
        """Wait until the service has stored everything so far, `timeout` seconds at most; True if it has.

        False also after a loss since the last flush.
        """
        return self._channel.flush(timeout)

    def close(self) -> None:
        """Flush for at most five seconds and stop; what the service did not take waits in the spool."""
        self._channel.close()
        super().close()
