"""A job as the training itself sees it: metrics, progress, and whether it was cancelled."""

from __future__ import annotations

import atexit
import os
from types import TracebackType
from typing import Any, Mapping

from tunedeck_client.handler import JobLogHandler
from tunedeck_client.jobs.claimed_job import ClaimedJob, kernel_name
from tunedeck_client.jobs.heartbeat import BEAT_EVERY_S, Heartbeat
from tunedeck_client.lines.text import say
from tunedeck_client.transport.server import Server

REQUEST_TIMEOUT_S = 5.0


class Job:
    """Claims a job, keeps it by a heartbeat, and ends it: completed, or failed by the exception that ends it.

    `job_id`, `url` (of the logs service, or of the gateway) and `kernel` are those of the environment unless
    given: TUNEDECK_JOB, TUNEDECK_LOGS_URL or TUNEDECK_URL, TUNEDECK_KERNEL. Under `tunedeck run`, which sets
    them, the job's end is left to that. `handler` is a JobLogHandler. Raises ValueError for what cannot work;
    what the service does raises nothing.
    """

    def __init__(
        self,
        job_id: int | None = None,
        *,
        url: str | None = None,
        kernel: str | None = None,
        token: str | None = None,
        spool_dir: str | os.PathLike[str] | None = None,
        beat_every_s: float = BEAT_EVERY_S,
    ) -> None:
        environ = os.environ
        url = url or environ.get("TUNEDECK_LOGS_URL") or environ.get("TUNEDECK_URL") or ""
        self.job_id = number = job_id if job_id is not None else _number(environ.get("TUNEDECK_JOB"))
        self.handler = JobLogHandler(number, url=url, token=token, spool_dir=spool_dir, excepthook=False)
        self.ended_as: str | None = None
        self._ends_itself = "TUNEDECK_KERNEL" not in environ
        kernel = kernel or environ.get("TUNEDECK_KERNEL") or kernel_name()
        self._claimed = ClaimedJob(Server(url, token, REQUEST_TIMEOUT_S), kernel, job_id=number)
        self._claimed.on_created = self._use_token
        self._claimed.claim()
        self._heartbeat = Heartbeat(self._claimed, self._note_end, every_s=beat_every_s)
        self._heartbeat.start()
        self._is_open, self._pid = True, os.getpid()
        atexit.register(self._end_late)

    @property
    def token(self) -> str | None:
        """The job's own token, where ours is a kernel's, with which it was claimed."""
        return self._claimed.token

    @property
    def cancelled(self) -> bool:
        """Whether somebody has cancelled the job: the training should stop. Known within ten seconds."""
        return self.ended_as == "cancelled"

    def log_metrics(
        self, values: Mapping[str, Any], step: int | None = None, *, epoch: float | None = None
    ) -> None:
        """Queue the metrics of a step; see JobLogHandler."""
        self.handler.log_metrics(values, step, epoch=epoch)

    def report_progress(self, fraction: float) -> None:
        """Show how far the training is, 0 to 1, from the next heartbeat on."""
        self._claimed.progress = min(1.0, max(0.0, fraction)) if fraction == fraction else None

    def end(self, error: str | None = None) -> None:
        """Send what is left, and end the job as completed, or as failed with this reason."""
        if not self._is_open or os.getpid() != self._pid:  # or it is a forked worker's end
            return
        self._is_open = False
        atexit.unregister(self._end_late)
        if error is not None:
            self.handler.log_error(error)
        self.handler.flush()
        self._heartbeat.stop()
        if self._ends_itself:
            if self.ended_as is None:
                answer = self._claimed.end("completed" if error is None else "failed", error)
                if answer.status != 200:
                    say(f"job {self.job_id} could not be ended: {answer.status} {answer.reason}")
        else:
            self._claimed.claim()  # the last progress
        self._heartbeat.has_ended()
        self.handler.close()

    def _use_token(self, job_id: int) -> None:
        if self._claimed.token is not None:
            self.handler.set_token(self._claimed.token)

    def _note_end(self, status: str) -> None:
        self.ended_as = status

    def _end_late(self) -> None:
        self.end("the process ended before its training did")

    def __enter__(self) -> Job:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.end(None if kind is None else f"{kind.__name__}: {error}")


def _number(text: str | None) -> int:
    if text is None or not text.isascii() or not text.isdigit():
        raise ValueError("job_id is missing, and TUNEDECK_JOB is not set to a job's number")
    return int(text)
