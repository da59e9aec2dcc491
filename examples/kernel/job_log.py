"""The logger of a job, whose records go to Tunedeck and to the kernel's own log."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from tunedeck_client import JobLogHandler

from examples.kernel.settings import Settings


@contextmanager
def job_log(settings: Settings, job_id: int, token: str | None) -> Iterator[tuple[logging.Logger, JobLogHandler]]:
    """Yield the logger, and its handler, which is flushed before the job is finished."""
    log = logging.getLogger(f"{__name__}.{job_id}")
    log.setLevel(logging.INFO)
    handler = JobLogHandler(job_id, url=settings.logs_url, spool_dir=settings.folder / "spool", token=token)
    log.addHandler(handler)
    try:
        yield log, handler
    finally:
        log.removeHandler(handler)
        handler.close()
