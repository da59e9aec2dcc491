"""A worker's hold on an evaluation: taken by a lease, kept while it asks, ended once.

Every write asks for the lease's token: a worker that lost it (it hung, or an outside worker reported first) raises
LeaseLost and what it has is dropped.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from services.evaluations.tables import Evaluation, Example, connected, database
from shared.database.queries import tuples
from shared.lease import LeaseLost, lease_end


@dataclass(frozen=True)
class Run:
    """An evaluation in this worker's hands."""

    id: int
    token: str
    model_id: int
    test_set_path: str
    names: dict[str, str]
    """By side (``base_model``, ``fine_tuned``) the name by which the inference server knows the model."""
    scoring: str | None
    extract_label: bool


@dataclass(frozen=True)
class Begun:
    """How far a run's evaluation was as it began, of how many rows, and the share of them that may be in error."""

    done: int
    errors: int
    total: int
    max_error_rate: float


@connected
def take() -> Run | None:
    """Take the oldest evaluation that waits, or whose worker is gone; None where there is none."""
    now = datetime.now(UTC)
    waits = (Evaluation.status == "pending") | ((Evaluation.status == "running") & (Evaluation.leased_until < now))
    with database.atomic():
        query = Evaluation.select().where(waits).order_by(Evaluation.created_at, Evaluation.id).limit(1)
        found: Evaluation | None = database.lock_free_rows(query).get_or_none()
        if found is None:
            return None
        found.status, found.started_at = "running", found.started_at or now
        found.lease_token, found.leased_until = uuid.uuid4().hex, lease_end()
        found.taken_at, found.taken_done = now, found.done
        found.save()
    return Run(
        id=found.id,
        token=found.lease_token,
        model_id=found.model_id,
        test_set_path=found.test_set_path,
        names={"base_model": found.base_model_name, "fine_tuned": found.fine_tuned_served_name},
        scoring=found.scoring,
        extract_label=found.extract_label,
    )


@connected
def renew(run: Run) -> bool:
    """Keep the lease for another while; False where it is lost."""
    with database.atomic():
        held = Evaluation.update(leased_until=lease_end()).where(
            Evaluation.id == run.id, Evaluation.lease_token == run.token
        )
        return bool(held.execute())


@connected
def release(run: Run) -> None:
    """Give the lease up, so that another worker goes on at once."""
    with database.atomic():
        Evaluation.update(leased_until=datetime.now(UTC)).where(
            Evaluation.id == run.id, Evaluation.lease_token == run.token
        ).execute()


@contextmanager
def _held(run: Run) -> Iterator[Evaluation]:
    """Give the evaluation, locked in a transaction, if it still is this run's."""
    with database.atomic():
        query = Evaluation.select().where(Evaluation.id == run.id, Evaluation.lease_token == run.token)
        evaluation = database.lock_rows(query).get_or_none()
        if evaluation is None:
            raise LeaseLost
        yield evaluation


@connected
def begin(run: Run, sha256: str, total: int, provenance: dict[str, Any]) -> Begun:
    """Record what set is asked and how; answers that an earlier run had to another content of it are dropped."""
    with _held(run) as evaluation:
        if evaluation.test_set_sha256 not in (None, sha256):
            Example.delete().where(Example.evaluation_id == run.id).execute()
            evaluation.done = evaluation.errors = evaluation.taken_done = evaluation.retried = 0
        evaluation.test_set_sha256, evaluation.total = sha256, total
        evaluation.provenance = provenance | {"mixed": _is_mixed(evaluation, provenance)}
        evaluation.save()
        return Begun(evaluation.done, evaluation.errors, total, evaluation.max_error_rate)


def _is_mixed(evaluation: Evaluation, provenance: dict[str, Any]) -> bool:
    """Say whether rows that are kept were asked in another way than the others will be."""
    before = evaluation.provenance
    kept = Example.select().where(Example.evaluation_id == evaluation.id).exists()
    return bool(kept and before and (before["mixed"] or before != provenance | {"mixed": False}))


@connected
def note_manifest(run: Run, digest: str) -> None:
    """Keep the digest of the model's files, unless one is known from before."""
    with _held(run) as evaluation:
        evaluation.manifest_digest = evaluation.manifest_digest or digest
        evaluation.save()


@connected
def finish(run: Run, results: Mapping[str, Any]) -> None:
    """End the evaluation with its results: failed where too many rows ended in an error."""
    with _held(run) as evaluation:
        if is_hopeless(evaluation.errors, evaluation.total or 0, evaluation.max_error_rate):
            _end(evaluation, "failed", error=_too_many_errors(evaluation))
        else:
            asked = {"extract_label": evaluation.extract_label, "max_error_rate": evaluation.max_error_rate}
            evaluation.results = {
                **results,
                "scoring": results["scoring"] | asked,
                "retried": evaluation.retried,
            }
            evaluation.eval_results_due = datetime.now(UTC)
            _end(evaluation, "completed")


@connected
def fail(run: Run, error: str) -> None:
    """End the evaluation as failed; its rows stay."""
    with _held(run) as evaluation:
        _end(evaluation, "failed", error=error)


def _end(evaluation: Evaluation, status: str, error: str | None = None) -> None:
    evaluation.status, evaluation.error, evaluation.completed_at = status, error, datetime.now(UTC)
    evaluation.lease_token = evaluation.leased_until = None
    evaluation.save()


def is_hopeless(errors: int, total: int, max_error_rate: float) -> bool:
    """Say whether so many rows have ended in an error that the evaluation can only fail."""
    return errors > total * max_error_rate


def _too_many_errors(evaluation: Evaluation) -> str:
    in_error = (Example.evaluation_id == evaluation.id) & Example.error.is_null(False)
    reasons = Counter(reason for (reason,) in tuples(Example.select(Example.error).where(in_error)))
    listed = ", ".join(f"{rows} × {reason}" for reason, rows in reasons.most_common())
    first = Example.select().where(in_error).order_by(Example.evaluation_id, Example.row).first()
    return (
        f"{evaluation.errors} of {evaluation.total} rows ended in an error ({listed}), "
        f"more than {evaluation.max_error_rate:.4g} of them; row {first.row + 1}: {first.error_message}"
    )
