"""Claims: an evaluation is claimed by a lease, and every write is guarded by the lease's token.

A worker that lost the lease (it hung, or an external report came first) raises LeaseLost, and its results are dropped.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from services.evaluations import telemetry
from services.evaluations.tables import Evaluation, Example, connected, database
from shared.database.queries import tuples
from shared.lease import LeaseLost, lease_end

_RECENT = timedelta(seconds=60)


@dataclass(frozen=True)
class Run:
    """A claimed evaluation, and the lease's token."""

    id: int
    token: str
    model_id: int
    test_set_path: str
    names: dict[str, str]
    """By role (``base_model``, ``fine_tuned``) the name by which the inference server knows the model."""
    scoring: str | None
    scoring_parameters: dict[str, Any] | None
    answers_of: int | None
    extract_label: bool
    prompt: dict[str, Any] | None
    generation: dict[str, Any] | None
    max_error_rate: float
    allow_same_model: bool
    waited_s: float | None
    """For how long it has waited for the inference server before, if it did."""


@dataclass(frozen=True)
class RunState:
    """The progress that a run begins with, the rows in all, and its error budget (a share of them)."""

    done: int
    errors: int
    truncated: int
    total: int
    max_error_rate: float


@connected
def claim() -> Run | None:
    """Claim the oldest evaluation that is pending, or whose lease has lapsed; None where there is none."""
    now = datetime.now(UTC)
    with database.atomic():
        query = Evaluation.select().where(_claimable(now)).order_by(Evaluation.created_at, Evaluation.id).limit(1)
        found: Evaluation | None = database.lock_free_rows(query).get_or_none()
        if found is None:
            return None
        waited = _waited_s(found, now)
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
        scoring_parameters=found.scoring_parameters,
        answers_of=found.answers_of,
        extract_label=found.extract_label,
        prompt=found.prompt,
        generation=found.generation,
        max_error_rate=found.max_error_rate,
        allow_same_model=found.allow_same_model,
        waited_s=waited,
    )


def _waited_s(evaluation: Evaluation, now: datetime) -> float | None:
    """Return for how long a run was waiting when it was put back; None where nobody has looked since for a while."""
    if evaluation.waiting_since is None or evaluation.leased_until is None or now - evaluation.leased_until > _RECENT:
        return None
    waited: float = (now - evaluation.waiting_since).total_seconds()
    return waited


@connected
def another_waits(run: Run) -> bool:
    """Say whether another evaluation could be claimed."""
    query = Evaluation.select().where(_claimable(datetime.now(UTC)) & (Evaluation.id != run.id))
    return bool(query.exists())


def _claimable(now: datetime) -> Any:
    return (Evaluation.status == "pending") | ((Evaluation.status == "running") & (Evaluation.leased_until < now))


@connected
def renew(run: Run) -> bool:
    """Renew the lease; False where it is lost."""
    with database.atomic():
        held = Evaluation.update(leased_until=lease_end()).where(
            Evaluation.id == run.id, Evaluation.lease_token == run.token
        )
        return bool(held.execute())


@connected
def release(run: Run, *, after: timedelta = timedelta()) -> None:
    """Release the lease, so that a worker can claim the evaluation, at once or ``after`` a while."""
    with database.atomic():
        Evaluation.update(leased_until=datetime.now(UTC) + after).where(
            Evaluation.id == run.id, Evaluation.lease_token == run.token
        ).execute()


@contextmanager
def _held(run: Run) -> Iterator[Evaluation]:
    """Give the evaluation, its row locked in a transaction; LeaseLost where the token is no longer this run's."""
    with database.atomic():
        query = Evaluation.select().where(Evaluation.id == run.id, Evaluation.lease_token == run.token)
        evaluation = database.lock_rows(query).get_or_none()
        if evaluation is None:
            raise LeaseLost
        yield evaluation


@connected
def begin(run: Run, sha256: str, total: int, provenance: dict[str, Any], warnings: list[str]) -> RunState:
    """Record the test set, the provenance and warnings; answers of an earlier run to another content are dropped."""
    with _held(run) as evaluation:
        if evaluation.test_set_sha256 not in (None, sha256):
            Example.delete().where(Example.evaluation_id == run.id).execute()
            evaluation.done = evaluation.errors = evaluation.taken_done = 0
            evaluation.truncated = evaluation.retried = 0
        evaluation.test_set_sha256, evaluation.total = sha256, total
        evaluation.provenance = provenance | {"mixed": _is_mixed(evaluation, provenance)}
        evaluation.warnings = warnings
        evaluation.save()
        return RunState(evaluation.done, evaluation.errors, evaluation.truncated, total, evaluation.max_error_rate)


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
    with _held(run) as evaluation:
        evaluation.provenance = (evaluation.provenance or {}) | asked
        evaluation.save()


@connected
def note_waiting(run: Run, message: str | None, waited_s: float) -> None:
    """Record what the run waits for, and since when; None once it goes on."""
    with _held(run) as evaluation:
        evaluation.message = message
        evaluation.waiting_since = None if message is None else datetime.now(UTC) - timedelta(seconds=waited_s)
        evaluation.save()


@connected
def note_manifest(run: Run, digest: str) -> None:
    """Record the digest of the model's files, unless one is recorded."""
    with _held(run) as evaluation:
        evaluation.manifest_digest = evaluation.manifest_digest or digest
        evaluation.save()


@connected
def finish(run: Run, results: Mapping[str, Any]) -> None:
    """Complete the evaluation with its results, or fail it where the error budget is exceeded."""
    with _held(run) as evaluation:
        if exceeds_error_budget(evaluation.errors, evaluation.total or 0, evaluation.max_error_rate):
            _end(evaluation, "failed", error=_too_many_errors(evaluation))
        elif exceeds_error_budget(evaluation.truncated, evaluation.total or 0, evaluation.max_error_rate):
            _end(evaluation, "failed", error=_too_many_truncated(evaluation))
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
    """Fail the evaluation; its rows stay."""
    with _held(run) as evaluation:
        _end(evaluation, "failed", error=error)


def _end(evaluation: Evaluation, status: str, error: str | None = None) -> None:
    evaluation.status, evaluation.error, evaluation.completed_at = status, error, datetime.now(UTC)
    evaluation.lease_token = evaluation.leased_until = None
    evaluation.message = evaluation.waiting_since = None
    evaluation.save()
    telemetry.evaluations_ended.labels(status).inc()


def exceeds_error_budget(errors: int, total: int, max_error_rate: float) -> bool:
    """Say whether more rows are in error than ``max_error_rate`` allows: the evaluation can only fail."""
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


def _too_many_truncated(evaluation: Evaluation) -> str:
    return (
        f"In {evaluation.truncated} of {evaluation.total} rows a generation was cut at max_tokens, more than "
        f"{evaluation.max_error_rate:.4g} of them: raise max_tokens, or max_error_rate where such answers may count."
    )
