"""Takes over the base's answers of an earlier evaluation that asked the same model the same in the same way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.evaluations.tables import Evaluation, connected
from services.evaluations.worker import generation

_MAX_LOOKED_AT = 100
_BASE = "base_model"


@connected
def find_base_answers(run: Evaluation, sha256: str, described: Mapping[str, Any]) -> int | None:
    """Return the newest evaluation with answers of this run's base, None where there is none.

    The content of the test set, the prompt with its examples, the parameters, the server with the name and the
    fingerprint by which it answers, and how it had to be asked, are the same; ``described`` is this run's provenance.
    """
    query = Evaluation.select().where(
        Evaluation.test_set_path == run.test_set_path,
        Evaluation.status == "completed",
        Evaluation.test_set_sha256 == sha256,
        Evaluation.base_model_name == run.names[_BASE],
        Evaluation.id != run.id,
    )
    wanted = _asked_as(described, run.generation)
    for evaluation in query.order_by(Evaluation.created_at.desc(), Evaluation.id.desc()).limit(_MAX_LOOKED_AT):
        known = evaluation.provenance
        if known and not known.get("mixed") and _asked_as(known, evaluation.generation) == wanted:
            return int(evaluation.id)
    return None


def _asked_as(provenance: Mapping[str, Any], parameters: Mapping[str, Any] | None) -> tuple[Any, ...]:
    inference, names = provenance.get("inference") or {}, provenance.get("answers_as") or {}
    return (
        provenance.get("worker_version"),
        (provenance.get("prompt") or {}).get("sha256"),
        generation.parameters(parameters)[_BASE],
        inference.get("url"),
        names.get(_BASE),
        (provenance.get("adapted") or {}).get(_BASE),
    )
