"""The state of a run that is claimed: what it begins with, and what is noted while it goes on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from services.evaluations.tables import Evaluation, Example, connected
from services.evaluations.worker.claims import held


@connected
def begin(run: Evaluation, sha256: str, total: int, provenance: dict[str, Any], warnings: list[str]) -> Evaluation:
    """Record the test set, the provenance and warnings, and return the run as it begins.

    Answers of an earlier run to another content are dropped.
    """
    with held(run) as evaluation:
        if evaluation.test_set_sha256 not in (None, sha256):
            Example.delete().where(Example.evaluation_id == run.id).execute()
            evaluation.done = evaluation.errors = evaluation.truncated = evaluation.retried = 0
            evaluation.answers = evaluation.taken_answers = 0
            evaluation.provenance = None
        evaluation.test_set_sha256, evaluation.total = sha256, total
        # What an earlier worker noted of what it asked stays: there may be nothing left to ask.
        evaluation.provenance = (
            (evaluation.provenance or {}) | provenance | {"mixed": _is_mixed(evaluation, provenance)}
        )
        evaluation.warnings = warnings
        return evaluation


@connected
def find_present(run: Evaluation) -> Evaluation:
    """Return the run as it is now: how far it is, and what is noted of how it was asked; LeaseLost."""
    with held(run) as evaluation:
        return evaluation


def _is_mixed(evaluation: Evaluation, provenance: dict[str, Any]) -> bool:
    """Say whether kept rows were asked with other settings than the rest will be."""
    before = evaluation.provenance
    kept = Example.select().where(Example.evaluation_id == evaluation.id).exists()
    return bool(
        kept and before and (before["mixed"] or any(before.get(name) != provenance[name] for name in provenance))
    )


@connected
def note_asked(run: Evaluation, asked: dict[str, Any]) -> None:
    """Record in the provenance what is known once the server was asked."""
    with held(run) as evaluation:
        evaluation.provenance = (evaluation.provenance or {}) | asked


@connected
def note_waiting(run: Evaluation, message: str | None, waited_s: float) -> None:
    """Record what the run waits for, and since when; None once it goes on."""
    with held(run) as evaluation:
        evaluation.message = message
        evaluation.waiting_since = None if message is None else datetime.now(UTC) - timedelta(seconds=waited_s)


@connected
def note_manifest(run: Evaluation, digest: str) -> None:
    """Record the digest of the model's files, unless one is recorded."""
    with held(run) as evaluation:
        evaluation.manifest_digest = evaluation.manifest_digest or digest
