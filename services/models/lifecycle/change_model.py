"""Creates, updates and deletes models; their status transitions, and what each does to the files."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from services.models.bucket import list_objects
from services.models.lifecycle.freeze import freeze
from services.models.paths import is_below, parents
from services.models.records.models import get_model, lock_model
from services.models.tables import File, Generated, Hold, Model, Upload, connected, database
from shared.database.queries import tuples
from shared.database.request_keys import create_once
from shared.errors import Conflict, ServiceError, Unprocessable
from shared.request_key import RequestKey
from shared.s3.bucket import Bucket, ObjectInfo

_TRANSITIONS = {"uploading": {"ready", "error"}, "error": {"uploading"}, "ready": {"uploading", "error"}}
_LISTINGS = 5
"""How often the store is listed again because files changed meanwhile, before a client is told to come back."""


class _StaleListing(Exception):
    """The store was listed before the model's files changed."""


def create_model(bucket: Bucket, sent: RequestKey | None, status: str, **new: Any) -> tuple[Model, bool]:
    """Store a model, or return the one that the same request stored before, and say which.

    One that is to be ``ready`` is frozen with what lies below its storage path, even nothing.
    """
    model, replayed = _insert(sent, status="uploading" if status == "ready" else status, **new)
    if status != "ready" or model.status == "ready":
        return model, replayed
    try:
        return update_model(bucket, model.id, {"status": status}), replayed
    except ServiceError:
        _delete_record(model.id)
        raise


@connected
def _insert(sent: RequestKey | None, **new: Any) -> tuple[Model, bool]:
    # Whole seconds, as the API shows them: a filter by a time that it showed finds the model.
    now = datetime.now(UTC).replace(microsecond=0)
    given = {name: value for name, value in new.items() if value is not None}
    with database.atomic():
        paths = dict.fromkeys(("storage_path", "lora_adapters_path", "gguf_path"), "")
        values = {"served_name": new["name"], "created_at": now, "updated_at": now} | paths | given
        model, replayed = create_once(Model, sent, **values)
        if replayed:
            return model, True
        model.storage_path = model.storage_path or str(model.id)
        model.lora_adapters_path = model.lora_adapters_path or f"{model.storage_path}/lora_adapters"
        model.gguf_path = model.gguf_path or f"{model.storage_path}/gguf"
        _require_folders_below(model)
        model.save()
    return model, False


def update_model(bucket: Bucket, model_id: int, changes: dict[str, Any]) -> Model:
    """Set the fields named in ``changes`` and return the model; entering ``ready`` lists the store and freezes it.

    Raises NotFound, Conflict (a transition that its status does not allow, or files that are still changing),
    Unprocessable (a folder outside of the storage path) and Unavailable.
    """
    for _ in range(_LISTINGS):
        model = get_model(model_id)
        freezes = changes.get("status") == "ready" and model.status != "ready"
        if freezes:
            _require_transition(model, "ready")
        # Listed before the transaction: nothing waits for the store inside of one.
        listing = list_objects(bucket, model.storage_path) if freezes else None
        try:
            return _apply(model_id, changes, listing, model.revision)
        except _StaleListing:
            continue
    raise Conflict(f"The files of model {model_id} are still changing.", retry_after=1)


@connected
def _apply(model_id: int, changes: dict[str, Any], listing: list[ObjectInfo] | None, revision: int) -> Model:
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
            freeze(model, listing or [])
        model.save()
        return model


def _require_transition(model: Model, status: str) -> None:
    if status not in _TRANSITIONS[model.status]:
        raise Conflict(f"Model {model.id} is {model.status} and cannot become {status}.")


def _require_folders_below(model: Model) -> None:
    for name in ("lora_adapters_path", "gguf_path"):
        if not is_below(getattr(model, name), model.storage_path):
            raise Unprocessable.field(name, f"Must lie under the storage path {model.storage_path!r}.")


def delete_model(bucket: Bucket, model_id: int, *, purge: bool) -> None:
    """Delete the record and, with ``purge``, the objects below its storage path that no other model covers.

    The objects go first: if the store fails midway, the same request goes on where it stopped.
    """
    model = get_model(model_id)
    if purge:
        others = _overlapping_paths(model)
        for found in list_objects(bucket, model.storage_path, markers=True):
            if not any(is_below(found.key, other) for other in others):
                bucket.remove(found.key)
    _delete_record(model_id)


@connected
def _overlapping_paths(model: Model) -> list[str]:
    """The storage paths of other models that may cover objects of this one: equal, above or below."""
    around = [model.storage_path, *parents(model.storage_path)]
    below = Model.storage_path.startswith(f"{model.storage_path}/")
    query = Model.select(Model.storage_path).where(Model.id != model.id, Model.storage_path.in_(around) | below)
    return [path for (path,) in tuples(query)]


@connected
def _delete_record(model_id: int) -> None:
    with database.atomic():
        lock_model(model_id)
        for table in (File, Generated, Hold):
            table.delete().where(table.model_id == model_id).execute()
        # What has expired is aborted in the store before it is forgotten.
        Upload.update(expires_at=datetime.now(UTC)).where(Upload.model_id == model_id).execute()
        Model.delete().where(Model.id == model_id).execute()
