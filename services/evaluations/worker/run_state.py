"""The state of a run that is claimed: what it begins with, and what is noted while it goes on."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from services.evaluations.tables import Evaluation, Example, connected
from services.evaluations.worker.claims import Run, held


@dataclass(frozen=True)
class RunState:
    """The progress that a run begins with, the rows in all, and its error budget (a share of them)."""

    done: int
    errors: int
    truncated: int
    answers: int
    taken_answers: int
    total: int
    max_error_rate: float


@connected
def begin(run: Run, sha256: str, total: int, provenance: dict[str, Any], warnings: list[str]) -> RunState:
    """Record the test set, the provenance and warnings; answers of an earlier run to another content are dropped."""
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
        evaluation.save()
        return _state(evaluation)


@connected
def find_state(run: Run) -> RunState:
    """Return how far the run is; LeaseLost."""
    with held(run) as evaluation:
        return _state(evaluation)


def _state(evaluation: Evaluation) -> RunState:
    return RunState(**{field.name: getattr(evaluation, field.name) or 0 for field in fields(RunState)})


def _is_mixed(evaluation: Evaluation, provenance: dict[str, Any]) -> bool:
    """Say whether kept rows were asked with other settings than the rest will be."""
    before = evaluation.provenance
    kept = Example.select().where(Example.evaluation_id == evaluation.id).exists()
    return bool(
        kept and before and (before["mixed"] or any(before.get(name) != provenance[name] for name in provenance))
    )


@connected
def note_asked(run: Run, asked: dict[str, Any]) -> None:
    """Record in the provenance what is known once the server was asked."""
    with held(run) as evaluation:
        evaluation.provenance = (evaluation.provenance or {}) | asked
        evaluation.save()


@connected
def find_provenance(run: Run) -> dict[str, Any]:
    """Return what is noted of how the run was asked; LeaseLost."""
    with held(run) as evaluation:
        return dict(evaluation.provenance or {})


@connected
def note_waiting(run: Run, message: str | None, waited_s: float) -> None:
    """Record what the run waits for, and since when; None once it goes on."""
    with held(run) as evaluation:
        evaluation.message = message
        evaluation.waiting_since = None if message is None else datetime.now(UTC) - timedelta(seconds=waited_s)
        evaluation.save()


@connected
def note_manifest(run: Run, digest: str) -> None:
    """Record the digest of the model's files, unless one is recorded."""
    with held(run) as evaluation:
        evaluation.manifest_digest = evaluation.manifest_digest or digest
        evaluation.save()
