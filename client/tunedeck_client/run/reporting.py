"""Reports a run's end to the service: at the end of the run, or by a later one for those that could not."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

from tunedeck_client.jobs.claimed_job import ClaimedJob
from tunedeck_client.lines.text import say
from tunedeck_client.run.run_record import RunRecord, left_records
from tunedeck_client.shipping.log_shipper import LogShipper
from tunedeck_client.transport.server import Server

WAS_KILLED = {"status": "failed", "error": "tunedeck run was killed"}
RETRY_EVERY_S = 0.5
LOOK_EVERY_S = 10.0
LEFT_TIMEOUT_S = 5.0


def report_end(job: ClaimedJob, end: dict[str, Any], timeout_s: float) -> bool:
    """Tell the service how the job ended; True once it knows, or has said that the job ended otherwise.

    It is tried for `timeout_s` where the service is away.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        answer = job.end(end["status"], end["error"])
        if answer.status == 200:
            return True
        if job.job_id is not None and answer.is_error and answer.status in (404, 409, 410, 422):
            now = job.ended_as()
            what = f"is {now} already" if now else f"cannot be ended ({answer.reason})"
            say(f"job {job.job_id} {what}: it is not reported as {end['status']}")
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(RETRY_EVERY_S)


def report_left(states: list[str], server: Server, timeout_s: float) -> bool:
    """Report what dead runs on this machine have left; False where something is left again."""
    all_told = True
    for record in left_records(states):
        all_told &= _report_record(record, server, timeout_s)
    return all_told


class LeftToReport(threading.Thread):
    """A thread that reports what dead runs have left, while ours runs; again while the service is away."""

    def __init__(self, states: list[str], server: Server) -> None:
        super().__init__(name="tunedeck-earlier", daemon=True)
        self._states = states
        self._server = server
        self._stopping = threading.Event()

    def has_ended(self) -> bool:
        """Give it the moment that it takes where the service answers; what is left then is the next run's."""
        self._stopping.set()
        if self.ident is not None:
            self.join(LEFT_TIMEOUT_S)
        return not self.is_alive()

    def run(self) -> None:
        while not report_left(self._states, self._server, LEFT_TIMEOUT_S):
            if self._stopping.wait(LOOK_EVERY_S):
                return


def take_over(states: list[str], server: Server, job_id: int, timeout_s: float) -> None:
    """Report the end that an earlier run of this job has left; one that was killed goes on now."""
    for record in left_records(states):
        if record.content["job"] != job_id:
            record.release()
        else:
            _report_record(record, server, timeout_s, if_killed=None)


def _report_record(
    record: RunRecord, server: Server, timeout_s: float, *, if_killed: dict[str, Any] | None = WAS_KILLED
) -> bool:
    content = record.content
    job = ClaimedJob(server, content["kernel"], job_id=content["job"], new=content["new"], key=content["key"])
    job.on_created = lambda job_id: record.write(job=job_id, kernel=job.kernel)
    answer = job.claim()
    if answer.status == 0 or answer.status >= 500:
        record.release()
        return False
    end = content["end"] or if_killed
    told = job.job_id is not None and _send_lines(
        record, job.job_id, server.url, job.token or server.token, timeout_s
    )
    if told and (end is None or report_end(job, end, timeout_s)):
        record.delete()
        return True
    record.release()
    return False


def _send_lines(record: RunRecord, job_id: int, url: str, token: str | None, timeout_s: float) -> bool:
    folder = record.spool_folder if os.path.isdir(os.path.join(record.path, "lines")) else None
    state = os.path.dirname(os.path.dirname(record.path))
    shipper = LogShipper(
        job_id, url, source="kernel", token=token, folder=folder, spool_dir=state, exit_timeout=timeout_s
    )
    is_sent = shipper.drain(timeout_s)
    shipper.close(0.0)
    return is_sent
