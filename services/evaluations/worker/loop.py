"""The worker's loop: claims an evaluation, runs it, completes or fails it, and claims the next."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
from datetime import timedelta
from functools import partial
from typing import Any

import gevent
from gevent.event import Event

from services.evaluations.datasets.test_sets import BUCKET, Spooled, spooled
from services.evaluations.models_client import ModelsClient
from services.evaluations.records import evaluations
from services.evaluations.scoring import graders, results, warnings
from services.evaluations.scoring.graders import LabelGrader
from services.evaluations.settings import WorkerSettings
from services.evaluations.tables import database
from services.evaluations.worker import claims, generation, outbox, provenance
from services.evaluations.worker.answer_copies import copy_answers, find_answers
from services.evaluations.worker.answer_writer import AnswerWriter
from services.evaluations.worker.claims import Run
from services.evaluations.worker.congestion import Congestion
from services.evaluations.worker.few_shot import find_shots
from services.evaluations.worker.inference_client import InferenceClient
from services.evaluations.worker.inference_errors import InferenceError, ServerAway, UnknownModel
from services.evaluations.worker.inference_server import InferenceServer
from services.evaluations.worker.prompts import Prompt
from services.evaluations.worker.redaction import describe_place
from services.evaluations.worker.runner import Runner, Stopped, Waits
from shared.auth.settings import AuthSettings
from shared.auth.signing import SecretSigner, service_headers
from shared.database.connect import open_database
from shared.errors import NotFound, TooLarge, Unavailable, Unprocessable
from shared.lease import LeaseLost, kept_alive
from shared.notifier import Notifier
from shared.s3.bucket import Bucket
from shared.s3.client import connect
from shared.s3.errors import ObjectChanged
from shared.settings import load
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
        self._bucket = Bucket(connect(settings), BUCKET)
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
            try:
                outbox.send_due(self._models)
            except Unavailable as error:
                log.warning("%s", error)

    def _work_on(self, run: Run) -> None:
        begin_request(f"evaluation-{run.id}-{run.token[:8]}")
        log.info("evaluation %d: claimed", run.id)
        try:
            with kept_alive(partial(claims.renew, run), every_s=_HEARTBEAT_S) as lost:
                self._evaluate(run, lost)
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
            # Not its text: a library may put whatever it was given into it, an API key as well.
            name = type(error).__name__
            log.error("evaluation %d: %s\n%s", run.id, name, describe_place(error.__traceback__))
            self._fail(run, f"The worker failed ({name}); its log says where, under evaluation {run.id}.")

    def _evaluate(self, run: Run, lost: threading.Event) -> None:
        with spooled(self._bucket, run.test_set_path) as test_set:
            how: dict[str, Any] = {"extract_label": run.extract_label, "parameters": run.scoring_parameters}
            grader = graders.choose_grader(run.scoring, test_set.labels, rows=test_set.total, **how)
            noted = list(warnings.warn_of_set(grader, rows=test_set.total, duplicates=test_set.statistics.duplicates))
            if run.answers_of is None:
                self._ask(run, test_set, grader, noted, lost)
            else:
                described = find_answers(run.answers_of, test_set.sha256)
                begun = claims.begin(run, test_set.sha256, test_set.total, described, noted)
                copy_answers(run.answers_of, AnswerWriter(run, begun), grader, lost)
            counts = results.count_rows(run.id, grader)
            # In a thread: the bootstrap takes seconds of CPU, and the heartbeat must not wait for it.
            computed = gevent.get_hub().threadpool.apply(results.compute_results, (counts, grader, noted))
            claims.finish(run, computed)
            log.info("evaluation %d: done", run.id)

    def _ask(
        self, run: Run, test_set: Spooled, grader: graders.Grader, noted: list[str], lost: threading.Event
    ) -> None:
        shots = find_shots(self._bucket, run.prompt)
        prompt = Prompt(run.prompt, test_set.labels if isinstance(grader, LabelGrader) else None, shots)
        parameters = generation.parameters(run.generation)
        described = provenance.describe(self._settings, prompt, parameters)
        begun = claims.begin(run, test_set.sha256, test_set.total, described, noted)
        self._note_manifest(run)
        patience_s = self._settings.inference_patience_s
        congestion = Congestion(self._settings.inference_concurrency, patience_s, run.waited_s)
        Runner(
            InferenceClient(self._server, congestion, patience_s=patience_s, same_model=run.allow_same_model),
            congestion,
            prompt,
            parameters,
            run,
            AnswerWriter(run, begun),
            test_set,
            grader,
            order=self._settings.inference_order,
            concurrency=self._settings.inference_concurrency,
            lost=lost,
            stopping=self._stopping,
        ).ask_all()
        if not test_set.is_current(self._bucket):
            raise ObjectChanged("The test set was changed while it was asked.")
        self._note_manifest(run)

    def _note_manifest(self, run: Run) -> None:
        """Record the digest of the model's files, if their checksums are known by now."""
        digest = self._models.find_manifest_digest(run.model_id)
        if digest is not None:
            claims.note_manifest(run, digest)

    def _release(self, run: Run, after: timedelta = timedelta()) -> None:
        # Where this fails the lease lapses; whoever claims it then goes on from what is stored.
        with contextlib.suppress(Unavailable):
            claims.release(run, after=after)

    def _fail(self, run: Run, reason: str) -> None:
        log.warning("evaluation %d: failed: %s", run.id, reason)
        try:
            claims.fail(run, reason)
        except (LeaseLost, Unavailable) as error:
            log.warning("evaluation %d: %s", run.id, error)


def main() -> None:
    log_json_lines("evaluation worker")
    serve_metrics(load(MetricsSettings))
    settings = load(WorkerSettings)
    database.initialize(open_database(settings.database_url))
    worker = Worker(settings, load(AuthSettings))
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, worker.stop)
    worker.run()
