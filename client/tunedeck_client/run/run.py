"""A run: its command, log and heartbeat, from the command's start until the job's end is reported."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
from typing import Any, Callable

from tunedeck_client.jobs.claimed_job import ClaimedJob
from tunedeck_client.jobs.heartbeat import Heartbeat
from tunedeck_client.lines.text import say
from tunedeck_client.run.child import CannotStart, Child, reason_of
from tunedeck_client.run.environment import child_environment
from tunedeck_client.run.opening import tell_person
from tunedeck_client.run.reporting import LeftToReport, report_end
from tunedeck_client.run.run_record import RunRecord
from tunedeck_client.run.streams import Streams
from tunedeck_client.run.watching import Interrupted, Signals, watch
from tunedeck_client.shipping.log_shipper import LogShipper

INTERRUPTED_TIMEOUT_S = 2.0
NOT_REPORTED = "the job's end is not reported yet; the next `tunedeck run` on this machine does it"

Upload = Callable[..., Any]


class Run:
    def __init__(
        self,
        options: argparse.Namespace,
        job: ClaimedJob,
        record: RunRecord,
        upload: Upload,
        *,
        beat_every_s: float,
        end_timeout_s: float,
    ) -> None:
        self._options = options
        self._job = job
        self._record = record
        self._upload = upload
        self._end_timeout_s = end_timeout_s
        self._ended_as: str | None = None
        self._error: str | None = None
        self._model_id: int | None = None
        self._child: Child | None = None
        self._heartbeat = Heartbeat(job, self._ended_by_other, every_s=beat_every_s)

    def watch_child(self, token_file: str | None, earlier: LeftToReport, *, grace_s: float) -> int:
        """Start the command, watch it, and report its end."""
        options, streams = self._options, Streams(keeps_stdout=self._options.json)
        signals = Signals(streams)
        environ = child_environment(
            os.environ,
            self._job,
            url=options.url,
            logs_url=options.logs_url,
            token=options.token,
            token_file=token_file,
            uploads=options.upload is not None,
        )
        try:  # before any thread is there: it forks
            self._child = Child(options.command, environ, streams, grace_s=grace_s)
        except CannotStart as cannot:
            streams.started()
            streams.restore()
            self._start_shipper()
            say(str(cannot))
            return self._end(signals, cannot.code, str(cannot))
        signals.child_started(self._child)
        streams.started()
        self._start_shipper()
        self._heartbeat.start()
        earlier.start()
        try:
            code = watch(self._child, streams, signals.wakes, self._shipper.put_output)
        finally:
            streams.restore()
        self._child.wait_group()
        return self._end(signals, *self._judge(signals, code))

    def _start_shipper(self) -> None:
        options, job_id = self._options, self._job.job_id
        self._shipper = LogShipper(
            job_id,
            options.logs_url,
            source=options.source,
            token=self._job.token or options.logs_token,
            folder=self._record.spool_folder if job_id is None else None,
            spool_dir=options.spool_dir,
            exit_timeout=self._end_timeout_s,
        )
        self._job.on_created = self._created

    def _created(self, job_id: int) -> None:
        tell_person(f"this is job {job_id}: {self._options.url}/ui/jobs/{job_id}")
        self._record.write(job=job_id, kernel=self._job.kernel)
        self._shipper.set_job(job_id, self._job.token)

    def _ended_by_other(self, status: str) -> None:
        self._ended_as = status
        if status == "cancelled" and self._child is not None:
            say(f"job {self._job.job_id} was cancelled: the command is told to end")
            self._child.terminate()
        else:
            say(f"job {self._job.job_id} was ended as {status} by somebody else; the command runs on")

    def _judge(self, signals: Signals, code: int) -> tuple[int, str | None]:
        """Return our exit code, and why the job has failed, if it has."""
        was_killed = self._child is not None and self._child.was_killed
        late = ", and killed by SIGKILL as it did not" if was_killed else ""
        if signals.ended_by is not None:
            return 128 + signals.ended_by, f"told to end by {signal.Signals(signals.ended_by).name}{late}"
        if self._ended_as == "cancelled":
            return 128 + signal.SIGTERM, f"the job was cancelled, the command told to end{late}"
        return code if code >= 0 else 128 - code, reason_of(code)

    def result(self, exit_code: int) -> dict[str, Any]:
        """Return what `--json` prints; the status is None while the service does not know the end."""
        return {
            "job_id": self._job.job_id,
            "status": self._job.ended_as(),
            "error": self._error,
            "model_id": self._model_id,
            "exit_code": exit_code,
        }

    def has_ended(self) -> bool:
        """End our threads; False where one hangs in the system."""
        return self._shipper.close(0.0) & self._heartbeat.has_ended()

    def _end(self, signals: Signals, exit_code: int, error: str | None) -> int:
        # Who tells a run to end kills it soon: what the service does not take at once is the next run's.
        timeout_s = self._end_timeout_s if signals.ended_by is None else INTERRUPTED_TIMEOUT_S
        try:
            signals.child_has_ended = True
            if exit_code == 0 and self._options.upload is not None:
                try:
                    error = self._upload_model()
                    exit_code = 1 if error else 0
                except Interrupted as interrupted:
                    exit_code, timeout_s = 128 + interrupted.number, INTERRUPTED_TIMEOUT_S
                    error = f"the upload was interrupted by {interrupted}"
            self._report(error, timeout_s)
        except Interrupted:
            say(NOT_REPORTED)
        signals.restore()
        return exit_code

    def _upload_model(self) -> str | None:
        """Make the folder the job's model; return why that failed, if it has."""
        options = self._options
        try:
            model = self._upload(
                options.upload,
                url=options.url,
                base_model=options.base_model,
                name=options.model_name,
                token=self._job.token or options.token,
                job_id=self._job.job_id,
            )
        except Interrupted:
            raise
        except Exception as error:
            why = f"the model was not uploaded: {error}"
            described = {
                "--job": self._job.job_id,
                "--base-model": options.base_model,
                "--name": options.model_name,
            }
            words = [str(word) for pair in described.items() if pair[1] is not None for word in pair]
            say(f"{why}. To send it: {shlex.join(['tunedeck', 'push', options.upload, *words])}")
            return why
        self._model_id = model.get("ID")
        told = f"{options.upload} is model {self._model_id} now"
        tell_person(told)
        self._shipper.put_output([("info", f"tunedeck run: {told}")])
        return None

    def _report(self, error: str | None, timeout_s: float) -> None:
        """Send what is left of the log, then the end; what cannot be sent stays on disk."""
        end = {"status": "completed" if error is None else "failed", "error": error}
        self._error = error
        self._record.write(end=end)
        if error is not None:
            self._shipper.put_output([("error", f"tunedeck run: {error}")])
        self._heartbeat.stop()
        is_created = self._job.job_id is not None
        is_sent = is_created and self._shipper.drain(timeout_s)
        # One more try where the service took no line all the time: the end does not wait for it once more.
        can_wait = is_sent or not is_created
        is_told = self._ended_as is not None or report_end(self._job, end, timeout_s if can_wait else 0.0)
        is_sent = is_sent or (is_told and self._shipper.drain(timeout_s))
        if is_told and is_sent:
            self._shipper.close(0.0)
            self._record.delete()
        elif not is_told and self._record.is_kept:
            say(NOT_REPORTED)
