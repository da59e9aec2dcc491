"""Evaluates a claimed run: its answers are asked for or taken over, judged where a judge is wanted, and scored."""

from __future__ import annotations

import logging
import threading
from functools import partial
from typing import Any

import gevent
from gevent.event import Event

from services.evaluations.datasets.spooled_set import Spooled, spooled
from services.evaluations.models_client import ModelsClient
from services.evaluations.scoring import results, warnings
from services.evaluations.scoring.choose_grader import Grader, choose_grader
from services.evaluations.scoring.counts import count_rows
from services.evaluations.scoring.graders import LabelGrader
from services.evaluations.scoring.judging import JudgeGrader
from services.evaluations.settings import WorkerSettings
from services.evaluations.tables import Evaluation
from services.evaluations.worker import generation, run_end, run_state
from services.evaluations.worker.answer_copies import copy_answers, find_answers, take_over_base
from services.evaluations.worker.answer_writer import AnswerWriter
from services.evaluations.worker.congestion import Congestion
from services.evaluations.worker.few_shot import find_shots
from services.evaluations.worker.inference_client import TRIES, InferenceClient
from services.evaluations.worker.inference_server import InferenceServer
from services.evaluations.worker.judge import Judge
from services.evaluations.worker.prompts import Prompt
from services.evaluations.worker.request_pool import RequestPool
from services.evaluations.worker.run_guard import RunGuard
from services.evaluations.worker.runner import Runner
from shared.s3.bucket import Bucket
from shared.s3.errors import ObjectChanged

WORKER_VERSION = "3"
"""Goes up whenever the same answers would be asked for, or judged, in another way."""

log = logging.getLogger("evaluations")


class Evaluator:
    """Evaluates runs, one after the other."""

    def __init__(
        self, settings: WorkerSettings, bucket: Bucket, models: ModelsClient, server: InferenceServer, stopping: Event
    ) -> None:
        self._settings = settings
        self._bucket = bucket
        self._models = models
        self._server = server
        self._stopping = stopping

    def evaluate(self, run: Evaluation, lost: threading.Event) -> None:
        """Complete a run, or fail it where its error budget is exceeded; raises what the pool and the store do."""
        with spooled(self._bucket, run.test_set_path) as test_set:
            how: dict[str, Any] = {"extract_label": run.extract_label, "parameters": run.scoring_parameters}
            grader = choose_grader(run.scoring, test_set.statistics.labels, rows=test_set.total, **how)
            duplicates = test_set.statistics.duplicates
            noted = list(warnings.warn_of_set(grader, run.names.values(), rows=test_set.total, duplicates=duplicates))
            patience_s, size = self._settings.inference_patience_s, self._settings.inference_concurrency
            congestion = Congestion(size, patience_s, run.waiting_since)
            client = InferenceClient(self._server, congestion, patience_s=patience_s, same_model=run.allow_same_model)
            judge = Judge(client, run) if isinstance(grader, JudgeGrader) else None
            with RequestPool(size, RunGuard(run, congestion, lost, self._stopping)) as pool:
                if run.answers_of is None:
                    over_budget = self._ask(run, test_set, grader, noted, client, pool, judge, lost)
                else:
                    described = find_answers(run.answers_of, test_set.sha256)
                    begun = run_state.begin(run, test_set.sha256, test_set.total, described, noted)
                    rows = AnswerWriter(begun, judged=judge is not None)
                    copy_answers(run.answers_of, run.roles, rows, grader, lost)
                    over_budget = False
                    if judge is not None:
                        judge.warm_up(pool)
                if judge is not None and not over_budget:
                    judge.judge_all(pool)
            counts = count_rows(run.id, run.roles, grader)
            # In a thread: the bootstrap takes seconds of CPU, and the heartbeat must not wait for it.
            computed = gevent.get_hub().threadpool.apply(results.compute_results, (counts, grader, noted))
            run_end.finish(run, computed)
            log.info("evaluation %d: done", run.id)

    def _ask(
        self,
        run: Evaluation,
        test_set: Spooled,
        grader: Grader,
        noted: list[str],
        client: InferenceClient,
        pool: RequestPool,
        judge: Judge | None,
        lost: threading.Event,
    ) -> bool:
        """Ask the models; True where the error budget is exceeded. ``noted`` gets what is to be warned of."""
        shots = find_shots(self._bucket, run.prompt)
        prompt = Prompt(run.prompt, test_set.statistics.labels if isinstance(grader, LabelGrader) else None, shots)
        parameters = generation.parameters(run.generation, run.roles)
        described = self._describe(prompt, parameters)
        begun = run_state.begin(run, test_set.sha256, test_set.total, described, noted)
        self._note_manifest(run)
        if judge is not None:
            judge.warm_up(pool)
        rows = AnswerWriter(begun, judged=judge is not None)
        take_over = partial(take_over_base, run, test_set.sha256, rows, grader, lost) if run.reuse_base else None
        order = self._settings.inference_order
        runner = Runner(client, prompt, parameters, run, rows, test_set, grader, order=order, take_over=take_over)
        over_budget = runner.ask_all(pool)
        if run.reuse_base:
            noted.append(warnings.describe_reuse(run_state.find_present(run).provenance.get("base_answers_of")))
        if not test_set.is_current(self._bucket):
            raise ObjectChanged("The test set was changed while it was asked.")
        self._note_manifest(run)
        return over_budget

    def _describe(self, prompt: Prompt, parameters: dict[str, dict[str, Any]]) -> dict[str, Any]:
        """Return the provenance of a run: prompt, inference settings, ``parameters`` by role, and worker version."""
        each = list(parameters.values())
        return {
            "prompt": prompt.describe(),
            "inference": {
                **(each[0] if each == each[:1] * len(each) else parameters),
                "url": self._server.shown_url,
                "order": self._settings.inference_order,
                "in_flight": self._settings.inference_concurrency,
                "timeout_s": self._settings.inference_timeout_s,
                "tries": TRIES,
                "warm_up": True,
            },
            "worker_version": WORKER_VERSION,
        }

    def _note_manifest(self, run: Evaluation) -> None:
        """Record the digest of the model's files, if their checksums are known by now."""
        digest = self._models.find_manifest_digest(run.model_id)
        if digest is not None:
            run_state.note_manifest(run, digest)
