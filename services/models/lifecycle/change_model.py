"""Creates and updates models; their status transitions, and what each does to the files."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from services.models.bucket import list_objects
from services.models.lifecycle.deletion import delete_record
from services.models.lifecycle.freeze import freeze, generate_anew
from services.models.paths import is_below
from services.models.records.models import get_model, lock_model
from services.models.tables import Model, connected, database
from shared.database.request_keys import create_once, find_created
from shared.errors import Conflict, ServiceError, Unprocessable
from shared.request_key import RequestKey
from shared.s3.bucket import Bucket
from shared.s3.readable_bucket import ObjectInfo

_TRANSITIONS = {"uploading": {"ready", "error"}, "error": {"uploading"}, "ready": {"uploading", "error"}}
ON_CARD = frozenset(
    {
        *("name", "description", "base_model", "type", "served_name", "training_metrics"),
        *("lora_adapters_path", "gguf_path"),
    }
)
"""What the generated files of a model say of its record."""

_LISTINGS = 5
"""How often the store is listed again because files changed meanwhile, before a client is told to come back."""


def create_model(bucket: Bucket, sent: RequestKey | None, status: str, **new: Any) -> tuple[Model, bool]:
    """Store a model, or return the one that the same request stored before, and say which.

    One that is to be ``ready`` is frozen with what lies below its storage path, even nothing.
    """
    model, replayed = _insert(sent, status="uploading" if status == "ready" else status, **new)
    if status != "ready" or model.status == "ready":
        return model, replayed
    try:
        return update_model(bucket, model.id, {"status": status, "allow_empty": True}), replayed
    except ServiceError:
        delete_record(model.id, model.storage_path, purge=True)
        raise


@connected
def _insert(sent: RequestKey | None, **new: Any) -> tuple[Model, bool]:
    # Whole seconds, as the API shows them: a filter by a time that it showed finds the model.
    now = datetime.now(UTC).replace(microsecond=0)
    given = {name: value for name, value in new.items() if value is not None}
    with database.atomic():
        _require_free(sent, given.get("own_repo_id"))
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


def _require_free(sent: RequestKey | None, repo_id: str | None) -> None:
    is_taken = repo_id is not None and Model.select().where(Model.own_repo_id == repo_id).exists()
    if is_taken and find_created(Model, sent) is None:
        raise Conflict(f"There is a repository {repo_id} already.")


def update_model(
    bucket: Bucket, model_id: int, changes: dict[str, Any], precondition: Callable[[Model], None] = lambda model: None
) -> Model:
    """Set the fields named in ``changes`` and return the model; entering ``ready`` lists the store and freezes it.

    ``allow_empty`` among them is no field: it lets a model be ready that has no file. Of a ready model what its card
    says is generated anew. Raises NotFound, what ``precondition`` raises of the record, Conflict (a transition that
    its status does not allow, files that are still changing, missing or wrong), Unprocessable (a folder outside of the
    storage path) and Unavailable.
    """
    fields = {name: value for name, value in changes.items() if name != "allow_empty"}
    for _ in range(_LISTINGS):
        model = get_model(model_id)
        freezes = changes.get("status") == "ready" and model.status != "ready"
        if freezes:
            _require_transition(model, "ready")
        # Listed before the transaction: nothing waits for the store inside of one.
        listing = list_objects(bucket, model.storage_path) if freezes else None
        allow_empty = changes.get("allow_empty", False)
        updated = _apply(model_id, fields, listing, model.revision, precondition, allow_empty=allow_empty)
        if updated is not None:
            return updated
    raise Conflict(f"The files of model {model_id} are still changing.", retry_after=1)


@connected
def _apply(
    model_id: int,
    changes: dict[str, Any],
    listing: list[ObjectInfo] | None,
    revision: int,
    precondition: Callable[[Model], None],
    *,
    allow_empty: bool,
) -> Model | None:
    """Return the model, or None, with nothing done, where the store was listed before the model's files changed."""
    with database.atomic():
        model = lock_model(model_id)
        precondition(model)
        status = changes.get("status", model.status)
        if status != model.status:
            _require_transition(model, status)
        freezes = status == "ready" and model.status != "ready"
        if freezes and (listing is None or model.revision != revision):
            return None
        changed = {name for name, value in changes.items() if getattr(model, name) != value}
        for name in changed:
            setattr(model, name, changes[name])
        _require_folders_below(model)
        if changed:
            model.updated_at = datetime.now(UTC).replace(microsecond=0)
        if freezes:
            freeze(model, listing or [], allow_empty=allow_empty)
        elif model.status == "ready" and changed & ON_CARD:
            generate_anew(model)
        model.save()
        return model


def _require_transition(model: Model, status: str) -> None:
    if status not in _TRANSITIONS[model.status]:
        raise Conflict(f"Model {model.id} is {model.status} and cannot become {status}.")


def _require_folders_below(model: Model) -> None:
    for name in ("lora_adapters_path", "gguf_path"):
        folder = getattr(model, name)
        is_flat = name == "lora_adapters_path" and folder == model.storage_path  # as PEFT writes it
        if not is_flat and not is_below(folder, model.storage_path):
            raise Unprocessable.field(name, f"Must lie under the storage path {model.storage_path!r}.")
