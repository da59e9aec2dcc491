"""The rows of evaluations and of their examples: created, also over the answers of another, read, listed, locked."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from services.evaluations.datasets.prompt_template import compile_template
from services.evaluations.datasets.test_sets import require_set
from services.evaluations.models_client import Model, ModelsClient
from services.evaluations.tables import Evaluation, Example, connected, database
from shared.database.pagination import Page, paginate
from shared.database.queries import get_or_404
from shared.database.request_keys import create_once, find_created
from shared.errors import Conflict, Unprocessable
from shared.request_key import RequestKey
from shared.s3.bucket import Bucket

CHANNEL = "evaluations"
"""On which the notifier says that an evaluation waits to be claimed."""

STATUSES = ("pending", "running", "completed", "failed")
TERMINAL = frozenset({"completed", "failed"})
SHOWN_EXAMPLES = 100

_KEPT = (
    "model_id",
    "test_set_path",
    "base_model_name",
    "base_model_id",
    "fine_tuned_name",
    "fine_tuned_served_name",
    "prompt",
    "generation",
    "max_error_rate",
    "manifest_digest",
    "retried",
)
"""What an evaluation over the answers of another has from that one."""


def create_evaluation(
    bucket: Bucket,
    models: ModelsClient,
    sent: RequestKey | None,
    model_id: int,
    *,
    test_set_path: str,
    base: bool | None,
    base_model_name: str | None,
    base_model_id: int | None,
    fine_tuned_served_name: str | None,
    **how: Any,
) -> tuple[Evaluation, bool]:
    """Store a pending evaluation of a ready model, or return the one that the same request stored, and say which.

    The base is the model of ``base_model_id``, else that of the name, else the model's own; where ``base`` is None
    there is none. ``how`` it is scored goes into the columns of those names.
    Raises NotFound (no such model), Conflict (not ready), Unprocessable (no such test set), Unavailable.
    """
    earlier = connected(find_created)(Evaluation, sent)
    if earlier is not None:
        return earlier, True
    model = _find_ready(models, model_id)
    if base_model_id == model_id:
        raise Unprocessable.field("base_model_id", "Must be another model than the one that is evaluated.")
    own = model.base_model if base_model_id is None else _find_ready(models, base_model_id).served_name
    test_set = require_set(bucket, test_set_path)
    _require_askable(bucket, test_set_path, test_set.fields if test_set else None, how["prompt"] or {})
    return connected(create_once)(
        Evaluation,
        sent,
        status="pending",
        created_at=datetime.now(UTC),
        model_id=model_id,
        test_set_path=test_set_path,
        base_model_name="" if base is None else base_model_name or own,
        base_model_id=base_model_id,
        fine_tuned_name=model.name,
        fine_tuned_served_name=fine_tuned_served_name or model.served_name,
        manifest_digest=models.find_manifest_digest(model_id),
        **how,
    )


def _find_ready(models: ModelsClient, model_id: int) -> Model:
    model = models.find_model(model_id)
    if model.status != "ready":
        raise Conflict(f"Model {model_id} is {model.status}, not ready.")
    return model


def _require_askable(bucket: Bucket, test_set_path: str, known: list[str] | None, prompt: dict[str, Any]) -> None:
    """Raise Unprocessable where a prompt can ask no row, or gives rows away that are asked.

    ``known`` are the names of the rows' fields, None where they are not known.
    """
    source = (prompt.get("examples_from") or {}).get("test_set_path")
    if source == test_set_path:
        problem = "Must be another test set than the one that is asked."
        raise Unprocessable.field("prompt.examples_from.test_set_path", problem)
    if source is not None:
        require_set(bucket, source)
    if prompt.get("template") and known is not None:
        missing = compile_template(prompt["template"]).required - {"input", *known}
        if missing:
            problem = f"No row of the test set has {', '.join(sorted(missing))}. They have: {', '.join(known)}."
            raise Unprocessable.field("prompt.template", problem)


@connected
def score_again(evaluation_id: int, **how: Any) -> Evaluation:
    """Store a pending evaluation over another's answers; NotFound, Conflict where it has none of ours, or not yet."""
    with database.atomic():
        source = lock_evaluation(evaluation_id)
        if source.status not in TERMINAL:
            raise Conflict(f"Evaluation {evaluation_id} is {source.status}: its answers are not there yet.")
        if source.test_set_sha256 is None or not source.done:
            raise Conflict(f"Evaluation {evaluation_id} has no stored answers.")
        if how["scoring"] == "judge" and not source.base_model_name:
            raise Unprocessable.field("scoring", "judge compares two models, and the evaluation has no base.")
        kept = {name: getattr(source, name) for name in _KEPT}
        now = datetime.now(UTC)
        return Evaluation.create(
            status="pending", created_at=now, answers_of=source.answers_of or source.id, **kept, **how
        )


@connected
def get_evaluation(evaluation_id: int) -> Evaluation:
    """Return the evaluation, or raise NotFound."""
    query = Evaluation.select().where(Evaluation.id == evaluation_id)
    evaluation: Evaluation = get_or_404(query, f"evaluation {evaluation_id}")
    return evaluation


def lock_evaluation(evaluation_id: int) -> Evaluation:
    """Return the evaluation, its row locked until the transaction ends, or raise NotFound."""
    query = database.lock_rows(Evaluation.select().where(Evaluation.id == evaluation_id))
    evaluation: Evaluation = get_or_404(query, f"evaluation {evaluation_id}")
    return evaluation


@connected
def list_evaluations(*, page: int, limit: int, **filters: Any) -> Page:
    """Return a page of the evaluations whose columns equal ``filters``, newest first."""
    query = Evaluation.select().filter(**filters)
    return paginate(query.order_by(Evaluation.created_at.desc(), Evaluation.id.desc()), page, limit)


@connected
def first_examples(evaluation_id: int) -> list[dict[str, Any]]:
    """Return the rows that the detail shows."""
    return list(_finished(evaluation_id).limit(SHOWN_EXAMPLES))


@connected
def list_examples(
    evaluation_id: int, *, page: int, limit: int, winner: str | None = None, error: bool | None = None
) -> Page:
    """Return a page of an evaluation's finished rows, in the order of the test set."""
    get_evaluation(evaluation_id)
    query = _finished(evaluation_id)
    if winner is not None:
        query = query.where(Example.winner == winner)
    if error is not None:
        query = query.where(Example.error.is_null(not error))
    return paginate(query, page, limit)


def _finished(evaluation_id: int) -> Any:
    """Return the query of an evaluation's finished rows, in the order of the test set."""
    query = Example.select().where(Example.evaluation_id == evaluation_id, Example.done)
    return query.order_by(Example.evaluation_id, Example.row).dicts()
