"""The kernel's loop: polls for jobs, claims one, trains, uploads; retries while a service is unavailable."""

import logging
import math
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import TypeVar

from tunedeck_client import JobLogHandler

from examples.kernel import data, formats, trainer
from examples.kernel.api import Api, ApiError, Record
from examples.kernel.configuration import Configuration
from examples.kernel.failure import JobFailed
from examples.kernel.job_log import job_log
from examples.kernel.model import BASE_NAME, Classifier
from examples.kernel.served_models import ServedModels
from examples.kernel.settings import Settings

LOG = logging.getLogger(__name__)

POLL = 1.0  # s between two polls for jobs
MAX_BACKOFF = 5.0  # s between two attempts while a service is unavailable

_Returned = TypeVar("_Returned")


class JobEnded(Exception):
    """The job was ended from outside while it ran here; the text is its status."""


class JobRunner:
    """Runs one job at a time."""

    def __init__(
        self,
        settings: Settings,
        api: Api,
        base: Classifier,
        served_models: ServedModels,
        stop: threading.Event,
        *,
        poll: float = POLL,
        max_backoff: float = MAX_BACKOFF,
    ) -> None:
        self._settings = settings
        self._api = api
        self._job_api = api
        """The calls of the job that runs."""
        self._base = base
        self._served_models = served_models
        self._stop = stop
        self._poll = poll
        self._max_backoff = max_backoff
        self._datasets = data.datasets()
        self._failing: set[str] = set()

    def run(self) -> None:
        """Run jobs until `stop` is set, and then one epoch or call longer. Any service may be down at any time."""
        chores = [self.end_leftovers, self.put_test_split]
        delay = self._poll
        while not self._stop.is_set():
            chores = [chore for chore in chores if not self._attempt(chore)]
            delay = self._poll if self._attempt(self.run_pending_jobs) else min(2 * delay, self._max_backoff)
            self._stop.wait(delay)

    def end_leftovers(self) -> None:
        """Fail the jobs that an earlier process of this kernel left running."""
        for job in self._jobs("running"):
            # The record does not say whose job it is, but only the kernel that has it can claim it again.
            if self._api.claim(job["ID"], self._settings.name):
                with self._log_of(job) as (log, handler):
                    log.error("The kernel was restarted while it worked on this job")
                    self._give_up_model(job)
                    self._finish(job, "failed", handler)

    def put_test_split(self) -> None:
        """Upload the test split, with which our models are evaluated, unless there is one already."""
        if data.TEST_SPLIT.name not in self._api.dataset_names():
            self._api.put_dataset(data.TEST_SPLIT.name, data.TEST_SPLIT.read_bytes())

    def run_pending_jobs(self) -> None:
        """Claim and run the pending jobs, the oldest first."""
        for job in self._jobs("pending"):
            if self._stop.is_set():
                return
            # Retried until it is answered: a claim may have succeeded though its response was lost.
            if self._until_answered(partial(self._api.claim, job["ID"], self._settings.name)):
                with self._log_of(job) as (log, handler):
                    status = self._work_on(job, log)
                    if status is None:
                        self._flush(handler)
                    else:
                        self._finish(job, status, handler)

    def _log_of(self, job: Record) -> AbstractContextManager[tuple[logging.Logger, JobLogHandler]]:
        """Become the job that was claimed, and give its log."""
        self._job_api = self._until_answered(partial(self._api.of_job, job["ID"]))
        return job_log(self._settings, job["ID"], self._job_api.token)

    def _jobs(self, status: str) -> list[Record]:
        return [job for job in self._api.jobs(status) if job["dataset_id"] in self._datasets]

    def _work_on(self, job: Record, log: logging.Logger) -> str | None:
        """Train and upload; return the job's final status, or None if it has one already."""
        try:
            log.info("Starting training job %d", job["ID"])
            configuration = Configuration.read(job["configuration"], log)
            dataset = self._datasets[job["dataset_id"]]
            result = trainer.train(self._base, dataset, configuration, log, partial(self._check, job))
            self._publish(job, dataset, result, log)
        except JobEnded as status:
            log.warning("The job was ended from outside (%s): work on it stops here", status)
            return None
        except JobFailed as reason:
            log.error("%s", reason)
            return "failed"
        except Exception:
            log.exception("Job %d failed", job["ID"])
            return "failed"
        return "completed"

    def _check(self, job: Record) -> None:
        """Raise JobEnded or JobFailed if the job must stop."""
        if self._stop.is_set():
            raise JobFailed("The kernel was stopped while it worked on this job")
        try:
            status = self._job_api.job(job["ID"])["status"]
        except ApiError:
            return  # unavailable: the next check will see it
        if status != "running":
            raise JobEnded(status)

    def _publish(self, job: Record, dataset: data.Dataset, result: trainer.Result, log: logging.Logger) -> None:
        try:
            self._until_answered(partial(self._publish_once, job, dataset, result, log))
        except Exception:
            self._give_up_model(job)
            raise

    def _publish_once(self, job: Record, dataset: data.Dataset, result: trainer.Result, log: logging.Logger) -> None:
        """Register, upload, serve. Idempotent: it continues with the model that an interrupted attempt registered."""
        self._check(job)
        model = self._model_of(job) or self._job_api.create_model(
            {
                "name": _model_name(job),
                "description": f"Fine-tuned model from dataset: {dataset.name}",
                "base_model": BASE_NAME,
                "type": "lora",
                "job_id": job["ID"],
                "status": "uploading",
            }
        )
        if model["status"] == "ready":
            return
        folder = self._served_models.folder_of(model["ID"])
        formats.write(folder, model["name"], result.adapter, result.model)
        for path in formats.FILES:
            content = (folder / path).read_bytes()
            self._job_api.upload(model["ID"], path, content)
            log.info("Uploaded %s (%d bytes)", path, len(content))
        # Served before it is `ready`, since an evaluation may begin at that moment.
        self._served_models.add(model["ID"], model["served_name"])
        metrics = {
            "loss": round(result.loss, 4),
            "accuracy": round(result.accuracy, 4),
            "epochs": result.epochs,
            "training_time": duration(result.seconds),
        }
        self._job_api.change_model(model["ID"], {"training_metrics": metrics, "status": "ready"})
        log.info("Model %d is ready: %s", model["ID"], model["name"])

    def _model_of(self, job: Record) -> Record | None:
        # Others may register models for our jobs too: the job's ID alone is not enough.
        ours = (_model_name(job), BASE_NAME)
        models = self._job_api.models(job["ID"])
        return next((model for model in models if (model["name"], model["base_model"]) == ours), None)

    def _give_up_model(self, job: Record) -> None:
        """Mark the model as failed, or clients would wait for it for ever."""
        try:
            model = self._until_answered(partial(self._model_of, job))
            if model and model["status"] == "uploading":
                self._until_answered(partial(self._job_api.change_model, model["ID"], {"status": "error"}))
        except ApiError as error:
            LOG.warning("The model of job %d stays as it is: %s", job["ID"], error)

    def _finish(self, job: Record, status: str, handler: JobLogHandler) -> None:
        def finish() -> bool:
            # The log first: whoever sees the status finds every line of the log.
            self._flush(handler)
            return self._job_api.finish(job["ID"], status)

        if not self._until_answered(finish):
            LOG.warning("Job %d is not %s: it was ended from outside", job["ID"], status)

    def _flush(self, handler: JobLogHandler) -> None:
        """Wait for the log longer than its handler does at its close: the rest would be sent when this process ends."""
        handler.flush(1 if self._stop.is_set() else 10)

    def _until_answered(self, call: Callable[[], _Returned]) -> _Returned:
        """Retry a call while its service is unavailable. Raises ApiError if it is refused, or when stopped."""
        delay = self._poll / 4
        while True:
            last = self._stop.is_set()  # once it is stopped it tries one more time
            try:
                return call()
            except ApiError as error:
                if last or not error.retryable:
                    raise
                LOG.warning("%s; trying again in %.2f s", error, delay)
            self._stop.wait(delay)
            delay = min(2 * delay, self._max_backoff)

    def _attempt(self, task: Callable[[], None]) -> bool:
        """Return whether a task succeeded; log its first failure only, not one every second."""
        name = task.__name__
        try:
            task()
        except ApiError as error:
            if name not in self._failing:
                LOG.warning("%s: %s; trying again until it works", name, error)
            self._failing.add(name)
            return False
        self._failing.discard(name)
        return True


def duration(seconds: float) -> str:
    """Format a duration: `3s`, `1m 15s`, `2h 15m`; seconds are rounded up."""
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h {minutes}m"
    return f"{minutes}m {rest}s" if minutes else f"{rest}s"


def _model_name(job: Record) -> str:
    return f"Model from Job {job['ID']}"
