"""The rows of models: found, listed by filters, locked."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from services.models.tables import Model, connected, database
from shared.database.pagination import Page, paginate
from shared.database.queries import get_or_404

STATUSES = ("uploading", "ready", "error")

SORTS = ("created_at", "name", "total_size")


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
    """Return a page of the models that ``matching_ids`` finds, in its order."""
    ids = matching_ids(**filters)
    found = paginate(ids, page, limit)
    # Looked up last, so that the rows before the page are counted off in the index and never read.
    rows = {row.id: row for row in Model.select().where(Model.id.in_([row.id for row in found.data]))}
    data = [rows[row.id] for row in found.data if row.id in rows]
    return Page(data=data, total=found.total, page=page, limit=limit)


def matching_ids(
    *,
    date_from: datetime | None = None,
    date_to: datetime | None = None,
    q: str | None = None,
    sort: str = "created_at",
    order: str | None = None,
    **filters: Any,
) -> Any:
    """Return the query for the ids of the models whose columns equal ``filters``, created between the two times.

    Without ``q``, a part of the name in any case, it reads nothing but an index while the newest come first: migration
    0003 has one for each filter, with all of the others' columns. Names are sorted from A, all else from the largest,
    unless ``order`` says otherwise.
    """
    query = Model.select(Model.id).filter(**filters)
    if date_from is not None:
        query = query.where(Model.created_at >= date_from)
    if date_to is not None:
        query = query.where(Model.created_at <= date_to)
    if q is not None:
        query = query.where(Model.name.contains(q))
    keys = (getattr(Model, sort), Model.id)
    ascending = (order or ("asc" if sort == "name" else "desc")) == "asc"
    return query.order_by(*(key.asc() if ascending else key.desc() for key in keys))
