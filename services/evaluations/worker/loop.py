"""The worker's loop: claims an evaluation, runs it, completes or fails it, and claims the next."""

from __future__ import annotations

import contextlib
import logging
import signal
from datetime import UTC, datetime, timedelta

import gevent
from gevent.event import Event

from services.evaluations.datasets.test_sets import BUCKET
from services.evaluations.models_client import ModelsClient
from services.evaluations.records import evaluations
from services.evaluations.settings import WorkerSettings
from services.evaluations.tables import Evaluation, database
from services.evaluations.worker import claims, outbox, run_end
from services.evaluations.worker.evaluator import Evaluator
from services.evaluations.worker.inference_errors import InferenceError, ServerAway, UnknownModel
from services.evaluations.worker.inference_server import InferenceServer
from services.evaluations.worker.run_guard import Stopped, Waits
from shared.auth.settings import AuthSettings
from shared.auth.signing import SecretSigner, service_headers
from shared.database.connect import open_database
from shared.errors import NotFound, TooLarge, Unavailable, Unprocessable
from shared.lease import LeaseLost, kept_alive, lease_end
from shared.notifier import Notifier
from shared.redaction import log_uncaught_failures
from shared.s3.bucket import Bucket
from shared.s3.client import connect
from shared.s3.errors import ObjectChanged
from shared.settings import load
from shared.telemetry.failures import failures_logged
from shared.telemetry.json_lines import log_json_lines
from shared.telemetry.request_id import begin_request
from shared.telemetry.server import MetricsSettings, note_turn, serve_metrics

POLL_S = 1.0
_HEARTBEAT_S = 0.7
"""A cancelled run's lease is gone, and nobody should wait for longer than a second for its end."""
_PUT_BACK = timedelta(seconds=10)

log = logging.getLogger("evaluations")


class Worker:
    """Claims and runs one evaluation after the other."""

    def __init__(self, settings: WorkerSettings, auth: AuthSettings) -> None:
        self._settings = settings
        signer = SecretSigner(auth.auth_secret, auth.auth_secret_previous) if auth.auth_secret else None
        self._models = ModelsClient(settings.models_url, lambda: service_headers(signer, "evaluation worker"))
        self._server = InferenceServer(
            settings.inference_url,
            settings.inference_api_key,
            timeout_s=settings.inference_timeout_s,
            connections=settings.inference_concurrency,
        )
        self._wanted = Event()
        self._stopping = Event()
        bucket = Bucket(connect(settings), BUCKET)
        self._evaluator = Evaluator(settings, bucket, self._models, self._server, self._stopping)

    def run(self) -> None:
        """Work until ``stop``."""
        gevent.spawn(self._listen)
        gevent.spawn(self._report)
        log.info("ready")
        while not self._stopping.is_set():
            note_turn()
            try:
                run = claims.claim()
            except Unavailable as error:
                log.warning("%s", error)
                self._stopping.wait(POLL_S)
                continue
            if run is not None:
                self._work_on(run)
            else:
                self._wanted.wait(POLL_S)
                self._wanted.clear()

    def stop(self) -> None:
        """Have ``run`` end at once: what is in flight is dropped, what is stored stays."""
        self._stopping.set()
        self._wanted.set()

    def _listen(self) -> None:
        for _ in Notifier(self._settings.redis_url).subscribe(evaluations.CHANNEL):
            self._wanted.set()

    def _report(self) -> None:
        while not self._stopping.wait(POLL_S):
            with failures_logged(log, "results that are due wait"):
                outbox.send_due(self._models)

    def _work_on(self, run: Evaluation) -> None:
        begin_request(f"evaluation-{run.id}-{str(run.lease_token)[:8]}")
        log.info("evaluation %d: claimed", run.id)
        try:
            with kept_alive(lambda: claims.extend_lease(run, lease_end()), every_s=_HEARTBEAT_S) as lost:
                self._evaluator.evaluate(run, lost)
        except (UnknownModel, NotFound, Unprocessable, TooLarge, ObjectChanged, InferenceError) as error:
            self._fail(run, str(error))
        except ServerAway as error:
            self._fail(run, f"The inference server at {self._server.shown_url} gives no answer: {error}")
        except Waits:
            log.info("evaluation %d: put back, it waits for the inference server", run.id)
            self._release(run, _PUT_BACK)
        except Stopped:
            log.info("evaluation %d: released, the worker is stopping", run.id)
            self._release(run)
        except LeaseLost:
            log.warning("evaluation %d: another worker has it", run.id)
        except Unavailable as error:
            log.warning("evaluation %d: released, it will be retried: %s", run.id, error)
            self._stopping.wait(POLL_S)
            self._release(run)
        except Exception as error:
            # Not its text, as in the log: a library may put whatever it was given into it, an API key as well.
            name = type(error).__name__
            log.exception("evaluation %d: failed", run.id)
            self._fail(run, f"The worker failed ({name}); its log says where, under evaluation {run.id}.")

    def _release(self, run: Evaluation, after: timedelta = timedelta()) -> None:
        # Where this fails the lease lapses; whoever claims it then goes on from what is stored.
        with contextlib.suppress(Unavailable):
            claims.extend_lease(run, datetime.now(UTC) + after)

    def _fail(self, run: Evaluation, reason: str) -> None:
        log.warning("evaluation %d: failed: %s", run.id, reason)
        try:
            run_end.fail(run, reason)
        except (LeaseLost, Unavailable) as error:
            log.warning("evaluation %d: %s", run.id, error)


def main() -> None:
    log_json_lines("evaluation worker")
    settings = load(WorkerSettings)
    database.initialize(open_database(settings.database_url))
    log_uncaught_failures(gevent.get_hub())
    worker = Worker(settings, load(AuthSettings))
    serve_metrics(load(MetricsSettings))
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, worker.stop)
    worker.run()
