"""The status that Kubeflow's trainer callbacks post: a job's progress, and its metrics a few times a minute."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from services.logs.jobs import set_progress
from services.logs.metrics import points
from services.logs.metrics.points import STATUS, NewPoint
from services.logs.metrics.trainer_lines import STEP_NAMES
from services.logs.tables import connected, database
from shared.http.fields import MAX_ID
from shared.timestamps import to_micros

_NUMBER = re.compile(r"[-+]?(?:\d{1,40}(?:\.\d{0,40})?(?:e[-+]?\d{1,4})?|nan|inf(?:inity)?)", re.ASCII | re.IGNORECASE)

_STEP_NAMES = ("current_step", *STEP_NAMES)
_TOTALS = frozenset({"total_steps", "total_epochs"})


@connected
def store_status(
    job_id: int, percentage: float | None, metrics: Iterable[tuple[str, str]], moment: datetime | None
) -> int:
    """Store a status in one transaction, and return how many points it had.

    Raises NotFound (no such job) or Gone (its log was deleted).
    """
    found = points_of(metrics, to_micros(moment or datetime.now(UTC)))
    with database.atomic():
        points.store_points(job_id, STATUS, found)
        if percentage is not None:
            set_progress(job_id, percentage / 100)
    return len(found)


def points_of(metrics: Iterable[tuple[str, str]], timestamp: int) -> list[NewPoint]:
    """Return the points of a status, whose values are text; without a step, as in the last one, there are none."""
    values = {name: float(value) for name, value in metrics if _NUMBER.fullmatch(value)}
    steps = [values.pop(name) for name in _STEP_NAMES if name in values]
    if not steps or not (steps[0].is_integer() and 0 <= steps[0] < MAX_ID):
        return []
    if "current_epoch" in values:
        values["epoch"] = values.pop("current_epoch")
    return [(name, int(steps[0]), value, timestamp, None) for name, value in values.items() if name not in _TOTALS]
