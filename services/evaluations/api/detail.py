"""The detail of an evaluation: its record with examples, progress, provenance and staleness."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from services.evaluations.api.report_schemas import ReportSchema
from services.evaluations.api.schemas import DetailSchema, RecordSchema
from services.evaluations.models_client import ModelsClient
from services.evaluations.records.evaluations import TERMINAL, first_examples, get_evaluation
from services.evaluations.records.external_report import record_report
from services.evaluations.records.shown_examples import cut_examples
from services.evaluations.tables import Evaluation
from shared.http.schemas import only_changes

_FLEETING = frozenset({"progress", "stale"})
"""Differ from one answer to the next, so a PUT may send them with any value."""


def describe(evaluation: Evaluation, *, stale: bool | None = None) -> dict[str, Any]:
    """Return an evaluation's own fields, its first ``examples``, its provenance and, while it runs, its progress.

    ``stale`` says that the model's files have changed since; None where that is not known, or not asked.
    """
    return {
        **evaluation.__data__,
        "examples": cut_examples(evaluation.id, first_examples(evaluation.id)),
        "progress": _progress(evaluation) if evaluation.status == "running" else None,
        "provenance": _provenance(evaluation),
        "stale": stale,
    }


def show_evaluation(evaluation_id: int, models: ModelsClient) -> dict[str, Any]:
    """Return the evaluation, or raise NotFound."""
    evaluation = get_evaluation(evaluation_id)
    return describe(evaluation, stale=_is_stale(evaluation, models))


def report(evaluation_id: int, body: dict[str, Any]) -> dict[str, Any]:
    """End an evaluation by an external report, and return it as it is then."""
    present = describe(get_evaluation(evaluation_id))
    shown = RecordSchema().dump(present) | DetailSchema().dump(present)
    sent = {name: value for name, value in body.items() if name not in _FLEETING}
    return describe(record_report(evaluation_id, only_changes(sent, ReportSchema, shown)))


def _is_stale(evaluation: Evaluation, models: ModelsClient) -> bool | None:
    if evaluation.status not in TERMINAL or evaluation.manifest_digest is None:
        return None
    present = models.find_manifest_digest(evaluation.model_id)
    return None if present is None else present != evaluation.manifest_digest


def _provenance(evaluation: Evaluation) -> dict[str, Any] | None:
    if evaluation.provenance is None:
        return None
    digests = {"test_set_sha256": evaluation.test_set_sha256, "manifest_digest": evaluation.manifest_digest}
    return {**digests, **evaluation.provenance}


def _progress(evaluation: Evaluation) -> dict[str, Any]:
    """Return how far a running evaluation is: rows done, in all, in error, the seconds left, what it waits for.

    A row is done at its last answer, which may be hours after its first: ``answers`` counts each, and each verdict of a
    judge, of ``answers_total``.
    """
    columns = ("done", "total", "answers", "errors", "message")
    return {name: getattr(evaluation, name) for name in columns} | {
        "answers_total": None if evaluation.total is None else evaluation.total * _answers_of_row(evaluation),
        "eta_seconds": _eta_seconds(evaluation),
        "warnings": evaluation.warnings or [],
    }


def _answers_of_row(evaluation: Evaluation) -> int:
    """Return how many answers a row waits for: one of each model, and a judge's verdict."""
    return 1 + bool(evaluation.base_model_name) + (evaluation.scoring == "judge")


def _eta_seconds(evaluation: Evaluation) -> int | None:
    # What an earlier worker did says nothing of how fast this one is.
    own = evaluation.answers - evaluation.taken_answers
    if own <= 0 or evaluation.total is None or evaluation.taken_at is None:
        return None
    elapsed = (datetime.now(UTC) - evaluation.taken_at).total_seconds()
    left: float = elapsed / own * (evaluation.total * _answers_of_row(evaluation) - evaluation.answers)
    return round(left)
