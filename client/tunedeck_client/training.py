"""What the callbacks of all trainers share: they report from rank 0, and no training ends by them."""

from __future__ import annotations

import os
from typing import Any, Mapping

from tunedeck_client.job import Job
from tunedeck_client.lines.text import say
from tunedeck_client.models.upload import upload_model


def is_active() -> bool:
    """Whether this process was given a job; without one the callbacks do nothing."""
    return bool(os.environ.get("TUNEDECK_JOB"))


class Training:
    """One training of a trainer, from its begin to its end; without a job its methods do nothing."""

    def __init__(self) -> None:
        self._job: Job | None = None

    def begin(self) -> None:
        """Claim the job that TUNEDECK_JOB names, if one is named."""
        if self._job is None and is_active():
            try:
                self._job = Job()
            except ValueError as error:
                say(f"this training is not reported: {error}")

    def log(self, values: Mapping[str, Any], step: int) -> None:
        if self._job is not None:
            self._job.log_metrics(values, step)

    def advance(self, step: int, max_steps: float) -> bool:
        """Note how far the training is; True where it should stop, because the job was cancelled."""
        if self._job is None:
            return False
        if 0 < max_steps < float("inf"):
            self._job.report_progress(step / max_steps)
        return self._job.cancelled

    def upload(self, folder: str, base_model: str | None) -> str | None:
        """Make the folder the job's model; return why that failed, if it has.

        Under `tunedeck run --upload` that uploads it, when the process has ended.
        """
        if self._job is None or self._job.cancelled or os.environ.get("TUNEDECK_UPLOAD"):
            return None
        try:
            upload_model(folder, base_model=base_model, job_id=self._job.job_id, token=self._job.token)
        except Exception as error:  # whatever it is, the training is done and its folder is there
            why = f"the model was not uploaded: {error}"
            say(why)
            return why
        return None

    def end(self, error: str | None = None) -> None:
        if self._job is not None:
            self._job.end(error)
            self._job = None
