"""Claims: an evaluation is claimed by a lease, and every write is guarded by the lease's token.

A run is an evaluation's row as it was claimed. A worker that lost the lease (it hung, or an external report came first)
raises LeaseLost, and its results are dropped.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from services.evaluations.tables import Evaluation, connected, database
from shared.lease import LeaseLost, lease_end

_RECENT = timedelta(seconds=60)


@connected
def claim() -> Evaluation | None:
    """Claim the oldest evaluation that is pending, or whose lease has lapsed; None where there is none.

    ``waiting_since`` stays only where the run was put back a moment ago: nobody has looked at the server since.
    """
    now = datetime.now(UTC)
    with database.atomic():
        query = Evaluation.select().where(_claimable(now)).order_by(Evaluation.created_at, Evaluation.id).limit(1)
        found: Evaluation | None = database.lock_rows(query, skip_locked=True).get_or_none()
        if found is None:
            return None
        if found.leased_until is None or now - found.leased_until > _RECENT:
            found.waiting_since = None
        found.status, found.started_at = "running", found.started_at or now
        found.lease_token, found.leased_until = uuid.uuid4().hex, lease_end()
        found.taken_at, found.taken_answers = now, found.answers
        found.save()
    return found


@connected
def another_waits(run: Evaluation) -> bool:
    """Say whether another evaluation could be claimed."""
    query = Evaluation.select().where(_claimable(datetime.now(UTC)) & (Evaluation.id != run.id))
    return bool(query.exists())


def _claimable(now: datetime) -> Any:
    return (Evaluation.status == "pending") | ((Evaluation.status == "running") & (Evaluation.leased_until < now))


def is_held(run: Evaluation) -> Any:
    """Return the condition of a run's row while the lease's token in it is this run's."""
    return (Evaluation.id == run.id) & (Evaluation.lease_token == run.lease_token)


@connected
def extend_lease(run: Evaluation, ends: datetime) -> bool:
    """Set when the lease ends, and with it when a worker can claim the evaluation; False where it is lost."""
    with database.atomic():
        return bool(Evaluation.update(leased_until=ends).where(is_held(run)).execute())


@contextmanager
def held(run: Evaluation) -> Iterator[Evaluation]:
    """Give the evaluation as it is now, its row locked in a transaction, and save what the block changes of it.

    LeaseLost where the token is no longer this run's.
    """
    with database.atomic():
        evaluation = database.lock_rows(Evaluation.select().where(is_held(run))).get_or_none()
        if evaluation is None:
            raise LeaseLost
        yield evaluation
        evaluation.save()
