"""External reports: an evaluation is ended by the results of an outside worker."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from services.evaluations.records.evaluations import SHOWN_EXAMPLES, TERMINAL, lock_evaluation
from services.evaluations.records.shown_examples import cut_examples
from services.evaluations.scoring import metrics
from services.evaluations.scoring.graders import is_correct
from services.evaluations.tables import Evaluation, Example, connected, database
from shared.database.queries import tuples, update_row
from shared.errors import Conflict, Unprocessable
from shared.pacing import yielding

_REPORTED = (
    "input",
    "expected",
    "base_model_output",
    "base_model_correct",
    "fine_tuned_output",
    "fine_tuned_correct",
    "winner",
    "error",
    "base_model_score",
    "fine_tuned_score",
)

_EXAMPLES_A_TURN = 100


@connected
def record_report(evaluation_id: int, changes: dict[str, Any]) -> Evaluation:
    """End an evaluation with what an outside worker found; our own worker's lease is void from then on.

    What the report leaves out is derived. The same report again changes nothing, another one is a Conflict.
    """
    reported = _derived(changes)
    with database.atomic():
        evaluation = lock_evaluation(evaluation_id)
        _require_base(evaluation, reported.get("results"))
        if evaluation.status in TERMINAL:
            if not _says_the_same(evaluation, reported):
                raise Conflict(f"Evaluation {evaluation_id} is {evaluation.status} and cannot be rewritten.")
            return evaluation
        _store_report(evaluation, reported)
        return evaluation


def _require_base(evaluation: Evaluation, results: dict[str, Any] | None) -> None:
    """Raise Unprocessable where a base is reported that there is not, or none where there is one."""
    if results is not None and (results["base_model"] is None) == bool(evaluation.base_model_name):
        problem = "Must be an object of metrics." if evaluation.base_model_name else "Must be null: there is no base."
        raise Unprocessable.field("results.base_model", problem)


def _derived(changes: dict[str, Any]) -> dict[str, Any]:
    derived = dict(changes)
    results = changes.get("results")
    if results is not None and results["base_model"] is not None and results.get("improvement") is None:
        improvement = metrics.improvement(results["base_model"], results["fine_tuned"])
        derived["results"] = results | {"improvement": improvement}
    if "examples" in changes:
        derived["examples"] = [_derived_example(example) for example in yielding(changes["examples"], _EXAMPLES_A_TURN)]
    if changes["status"] == "completed" and results is None:
        raise Unprocessable.field("results", "Is required where the status is completed.")
    if changes["status"] == "failed" and changes.get("error") is None:
        derived["error"] = "The worker that reported it gave no reason."
    return derived


def _derived_example(example: dict[str, Any]) -> dict[str, Any]:
    full: dict[str, Any] = {name: example.get(name) for name in _REPORTED}
    for role in metrics.ROLES:
        if full[f"{role}_correct"] is None:
            full[f"{role}_correct"] = is_correct(full[f"{role}_output"], full["expected"])
    if full["winner"] is None and full["error"] is None:
        scores, right = ([full[f"{role}_{name}"] for role in metrics.ROLES] for name in ("score", "correct"))
        full["winner"] = metrics.winner(*(right if None in scores else scores))
    return full


def _says_the_same(evaluation: Evaluation, reported: dict[str, Any]) -> bool:
    for name in ("status", "results", "error"):
        if name in reported and reported[name] != getattr(evaluation, name):
            return False
    ended = reported.get("completed_at")
    if ended is not None and ended.replace(microsecond=0) != evaluation.completed_at.replace(microsecond=0):
        return False
    if "examples" not in reported:
        return True
    query = Example.select(*(getattr(Example, name) for name in _REPORTED)).where(
        Example.evaluation_id == evaluation.id, Example.done
    )
    stored = [dict(zip(_REPORTED, row, strict=True)) for row in tuples(query.order_by(Example.row))]
    # What the detail shows of many or long examples, sent back, says nothing else than they do.
    first = stored[:SHOWN_EXAMPLES]
    shown = [{name: example[name] for name in _REPORTED} for example in cut_examples(evaluation.id, first)]
    return reported["examples"] in (stored, first, shown)


def _store_report(evaluation: Evaluation, reported: dict[str, Any]) -> None:
    now = datetime.now(UTC)
    evaluation.void_lease()
    # What our worker had by then is dropped with its lease; no set of ours is what the report is about.
    evaluation.test_set_sha256 = evaluation.total = evaluation.provenance = None
    evaluation.done = evaluation.answers = evaluation.errors = evaluation.retried = evaluation.truncated = 0
    Example.delete().where(Example.evaluation_id == evaluation.id).execute()
    columns = ("evaluation_id", "row", *_REPORTED, "done")
    rows = [
        (evaluation.id, row, *(example[name] for name in _REPORTED), True)
        for row, example in enumerate(reported.get("examples", ()))
    ]
    database.insert_rows(Example, columns, rows)
    update_row(
        evaluation,
        status=reported["status"],
        results=reported.get("results"),
        error=reported.get("error"),
        started_at=evaluation.started_at or now,
        completed_at=reported.get("completed_at") or now,
        eval_results_due=now if reported["status"] == "completed" else None,
    )
