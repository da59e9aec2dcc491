"""The rows of models: found, listed by filters, locked."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from services.models.tables import Model, connected, database
from shared.database.pagination import Page, paginate
from shared.database.queries import get_or_404

STATUSES = ("uploading", "ready", "error")

_NEWEST_FIRST = (Model.created_at.desc(), Model.id.desc())


@connected
def get_model(model_id: int) -> Model:
    """Return the model, or raise NotFound."""
    model: Model = get_or_404(Model.select().where(Model.id == model_id), f"model {model_id}")
    return model


def lock_model(model_id: int) -> Model:
    """Return the model, locked until the transaction that this is called in ends, or raise NotFound."""
    query = database.lock_rows(Model.select().where(Model.id == model_id))
    model: Model = get_or_404(query, f"model {model_id}")
    return model


@connected
def list_models(*, page: int, limit: int, **filters: Any) -> Page:
    """Return a page of the models that ``matching_ids`` finds, newest first."""
    found = paginate(matching_ids(**filters), page, limit)
    # Looked up last, so that the rows before the page are counted off in the index and never read.
    rows = Model.select().where(Model.id.in_([row.id for row in found.data])).order_by(*_NEWEST_FIRST)
    return Page(data=list(rows) if found.data else [], total=found.total, page=page, limit=limit)


def matching_ids(*, date_from: datetime | None = None, date_to: datetime | None = None, **filters: Any) -> Any:
    """Return the query for the ids of the models whose columns equal ``filters``, created between the two times.

    It reads nothing but an index: migration 0003 has one for each filter, with all of the others' columns.
    """
    query = Model.select(Model.id).filter(**filters)
    if date_from is not None:
        query = query.where(Model.created_at >= date_from)
    if date_to is not None:
        query = query.where(Model.created_at <= date_to)
    return query.order_by(*_NEWEST_FIRST)
