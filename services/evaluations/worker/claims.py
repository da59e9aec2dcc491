"""Claims: an evaluation is claimed by a lease, and every write is guarded by the lease's token.

A worker that lost the lease (it hung, or an external report came first) raises LeaseLost, and its results are dropped.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from services.evaluations.tables import Evaluation, connected, database
from shared.lease import LeaseLost, lease_end

_RECENT = timedelta(seconds=60)


@dataclass(frozen=True)
class Run:
    """A claimed evaluation, and the lease's token; the other fields are the columns of their names."""

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
    reuse_base: bool
    waited_s: float | None
    """For how long it has waited for the inference server before, if it did."""

    @property
    def roles(self) -> tuple[str, ...]:
        """Both roles, or ``fine_tuned`` alone."""
        return tuple(self.names)


@connected
def claim() -> Run | None:
    """Claim the oldest evaluation that is pending, or whose lease has lapsed; None where there is none."""
    now = datetime.now(UTC)
    with database.atomic():
        query = Evaluation.select().where(_claimable(now)).order_by(Evaluation.created_at, Evaluation.id).limit(1)
        found: Evaluation | None = database.lock_rows(query, skip_locked=True).get_or_none()
        if found is None:
            return None
        waited = _waited_s(found, now)
        found.status, found.started_at = "running", found.started_at or now
        found.lease_token, found.leased_until = uuid.uuid4().hex, lease_end()
        found.taken_at, found.taken_answers = now, found.answers
        found.save()
    columns = {field.name: getattr(found, field.name) for field in fields(Run) if field.name in found.__data__}
    names = {"base_model": found.base_model_name, "fine_tuned": found.fine_tuned_served_name}
    if not found.base_model_name:
        del names["base_model"]
    return Run(token=found.lease_token, names=names, waited_s=waited, **columns)


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
def held(run: Run) -> Iterator[Evaluation]:
    """Give the evaluation, its row locked in a transaction; LeaseLost where the token is no longer this run's."""
    with database.atomic():
        query = Evaluation.select().where(Evaluation.id == run.id, Evaluation.lease_token == run.token)
        evaluation = database.lock_rows(query).get_or_none()
        if evaluation is None:
            raise LeaseLost
        yield evaluation
