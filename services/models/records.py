"""The records of models and the life of one: uploading, ready, error."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from services.models import freezing, plans, storage
from services.models.paths import is_below, parents
from services.models.tables import File, Generated, Hold, Model, PackedPlan, Upload, connected, database
from shared.database import tuples
from shared.errors import Conflict, NotFound, ServiceError, Unprocessable
from shared.pagination import Page, paginate
from shared.store import Store, Stored

STATUSES = ("uploading", "ready", "error")

_MAY_BECOME = {"uploading": {"ready", "error"}, "error": {"uploading"}, "ready": {"uploading", "error"}}
_NEWEST_FIRST = (Model.created_at.desc(), Model.id.desc())
_LISTINGS = 5
"""How often the store is listed again because files changed meanwhile, before a client is told to come back."""


class _StaleListing(Exception):
    """The store was listed before the model's files changed."""


def create_model(store: Store, status: str, **new: Any) -> Model:
    """Store a model; one that is to be ``ready`` is frozen with what lies below its storage path, even nothing."""
    model = _insert(status="uploading" if status == "ready" else status, **new)
    if status != "ready":
        return model
    try:
        return update_model(store, model.id, {"status": status})
    except ServiceError:
        _delete_record(model.id)
        raise


@connected
def _insert(**new: Any) -> Model:
    # Whole seconds, as the API shows them: a filter by a time that it showed finds the model.
    now = datetime.now(UTC).replace(microsecond=0)
    given = {name: value for name, value in new.items() if value is not None}
    with database.atomic():
        paths = dict.fromkeys(("storage_path", "lora_adapters_path", "gguf_path"), "")
        model = Model.create(**{"served_name": new["name"], "created_at": now, "updated_at": now} | paths | given)
        model.storage_path = model.storage_path or str(model.id)
        model.lora_adapters_path = model.lora_adapters_path or f"{model.storage_path}/lora_adapters"
        model.gguf_path = model.gguf_path or f"{model.storage_path}/gguf"
        _require_folders_below(model)
        model.save()
    return model


@connected
def find_model(model_id: int) -> Model:
    """Return the model, or raise NotFound."""
    model = Model.get_or_none(Model.id == model_id)
    if model is None:
        raise NotFound(f"There is no model {model_id}.")
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
    query = Model.select(Model.id)
    for name, value in filters.items():
        query = query.where(getattr(Model, name) == value)
    if date_from is not None:
        query = query.where(Model.created_at >= date_from)
    if date_to is not None:
        query = query.where(Model.created_at <= date_to)
    return query.order_by(*_NEWEST_FIRST)


def update_model(store: Store, model_id: int, changes: dict[str, Any]) -> Model:
    """Set the fields named in ``changes`` and return the model; entering ``ready`` lists the store and freezes it.

    Raises NotFound, Conflict (the model's life does not allow it, or its files are still changing), Unprocessable
    (a folder outside of the storage path) and Unavailable.
    """
    for _ in range(_LISTINGS):
        model = find_model(model_id)
        freezes = changes.get("status") == "ready" and model.status != "ready"
        if freezes:
            _require_transition(model, "ready")
        # Listed before the transaction: nothing waits for the store inside of one.
        listing = storage.list_objects(store, model.storage_path) if freezes else None
        try:
            changed = _apply(model_id, changes, listing, model.revision)
        except _StaleListing:
            continue
        if freezes:
            # Not within the transaction, which of 100,000 files would hold up every other writer for a second more.
            plans.make_plan(model_id)
        return changed
    raise Conflict(f"The files of model {model_id} are still changing.", retry_after=1)


@connected
def _apply(model_id: int, changes: dict[str, Any], listing: list[Stored] | None, revision: int) -> Model:
    with database.atomic():
        model = lock_model(model_id)
        status = changes.get("status", model.status)
        if status != model.status:
            _require_transition(model, status)
        freezes = status == "ready" and model.status != "ready"
        if freezes and (listing is None or model.revision != revision):
            raise _StaleListing
        changed = {name for name, value in changes.items() if getattr(model, name) != value}
        for name in changed:
            setattr(model, name, changes[name])
        _require_folders_below(model)
        if changed:
            model.updated_at = datetime.now(UTC).replace(microsecond=0)
        if freezes:
            freezing.freeze(model, listing or [])
        model.save()
        return model


def lock_model(model_id: int) -> Model:
    """Return the model, held until the transaction that this is called in ends, or raise NotFound."""
    model: Model | None = database.lock_rows(Model.select().where(Model.id == model_id)).get_or_none()
    if model is None:
        raise NotFound(f"There is no model {model_id}.")
    return model


def _require_transition(model: Model, status: str) -> None:
    if status not in _MAY_BECOME[model.status]:
        raise Conflict(f"Model {model.id} is {model.status} and cannot become {status}.")


def _require_folders_below(model: Model) -> None:
    for name in ("lora_adapters_path", "gguf_path"):
        if not is_below(getattr(model, name), model.storage_path):
            raise Unprocessable.field(name, f"Must lie under the storage path {model.storage_path!r}.")


def delete_model(store: Store, model_id: int, *, purge: bool) -> None:
    """Delete the record and, with ``purge``, the objects below its storage path that no other model covers.

    The objects go first: if the store fails midway, the same request goes on where it stopped.
    """
    model = find_model(model_id)
    if purge:
        others = _neighbours(model)
        for found in storage.list_objects(store, model.storage_path, markers=True):
            if not any(is_below(found.key, other) for other in others):
                store.remove(found.key)
    _delete_record(model_id)


@connected
def _neighbours(model: Model) -> list[str]:
    """The storage paths of other models that may cover objects of this one: equal, above or below."""
    around = [model.storage_path, *parents(model.storage_path)]
    below = Model.storage_path.startswith(f"{model.storage_path}/")
    query = Model.select(Model.storage_path).where(Model.id != model.id, Model.storage_path.in_(around) | below)
    return [path for (path,) in tuples(query)]


@connected
def _delete_record(model_id: int) -> None:
    with database.atomic():
        lock_model(model_id)
        for table in (File, Generated, Hold, PackedPlan):
            table.delete().where(table.model_id == model_id).execute()
        # What has expired is aborted in the store before it is forgotten.
        Upload.update(expires_at=datetime.now(UTC)).where(Upload.model_id == model_id).execute()
        Model.delete().where(Model.id == model_id).execute()
