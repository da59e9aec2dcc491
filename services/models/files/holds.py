"""Holds: a lease that keeps a model from being frozen while one of its objects is changed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from services.models.paths import parents
from services.models.records.models import lock_model
from services.models.tables import File, Hold, Model, connected, database
from shared.database.queries import tuples
from shared.errors import Conflict, Unavailable, Unprocessable
from shared.lease import kept_alive, lease_end
from shared.s3.object_paths import MAX_PATH_BYTES

_CHANGEABLE = frozenset({"uploading", "error"})


@dataclass(frozen=True)
class FileHold:
    """The right to change the object ``key``; ``lost`` is set once it has lapsed and the model may be frozen."""

    id: int
    model_id: int
    path: str
    key: str
    lost: threading.Event

    def check(self) -> None:
        """Raise Unavailable once the hold is lost."""
        if self.lost.is_set():
            raise Unavailable(f"The change to {self.path} took too long to be safe.")


@contextmanager
def hold_file(model_id: int, path: str, *, exclusive: bool = False) -> Iterator[FileHold]:
    """Keep the model from being frozen during the block, and an ``exclusive`` one all others from the file.

    Raises NotFound, Unprocessable or Conflict.
    """
    hold_id, key = _insert(model_id, path, exclusive)
    try:
        with kept_alive(lambda: _renew(hold_id)) as lost:
            yield FileHold(hold_id, model_id, path, key, lost)
    finally:
        _delete(hold_id)


def locked_model(hold: FileHold) -> Model:
    """Return the model, its row locked until the transaction that this is called in ends; Unavailable if not held."""
    model = lock_model(hold.model_id)
    _require_changeable(model, hold.path, hold.key)
    if not Hold.select().where(Hold.id == hold.id).exists():
        raise Unavailable(f"The change to {hold.path} took too long to be safe.")
    return model


@connected
def _insert(model_id: int, path: str, exclusive: bool) -> tuple[int, str]:
    with database.atomic():
        model = lock_model(model_id)
        key = f"{model.storage_path}/{path}"
        if len(key.encode()) > MAX_PATH_BYTES:
            raise Unprocessable.field("path", f"Longer than {MAX_PATH_BYTES} bytes with the storage path.")
        _require_changeable(model, path, key)
        _require_free(model_id, path, exclusive)
        hold = Hold.create(model_id=model_id, path=path, exclusive=exclusive, held_until=lease_end())
        return hold.id, key


def _require_free(model_id: int, path: str, exclusive: bool) -> None:
    """As S3 answers a conditional write amid another one (ConditionalRequestConflict)."""
    others = (Hold.model_id == model_id) & (Hold.path == path) & (Hold.held_until > datetime.now(UTC))
    if not exclusive:
        others &= Hold.exclusive
    if Hold.select().where(others).exists():
        raise Conflict(f"{path} is being changed by another request.")


@connected
def _renew(hold_id: int) -> bool:
    return bool(Hold.update(held_until=lease_end()).where(Hold.id == hold_id).execute())


@connected
def _delete(hold_id: int) -> None:
    Hold.delete().where(Hold.id == hold_id).execute()


def _require_changeable(model: Model, path: str, key: str) -> None:
    if model.status not in _CHANGEABLE:
        raise Conflict(f"Model {model.id} is {model.status}: its files are frozen.")
    # Models may share a storage path, and what is frozen for one must not change through another.
    folders = parents(key)
    sharing = Model.select(Model.id, Model.storage_path).where(
        Model.storage_path.in_(folders), Model.status == "ready", Model.id != model.id
    )
    for other_id, other_path in tuples(sharing):
        below = key[len(other_path) + 1 :]
        if File.select().where(File.model_id == other_id, File.path == below).exists():
            raise Conflict(f"{path} is part of model {other_id}, which is ready.")
