"""Holds: a lease that keeps a model from being frozen while one of its objects is changed."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from services.models.paths import is_below, parents
from services.models.records.models import lock_model
from services.models.tables import File, Hold, Model, connected, database
from shared.database.queries import tuples
from shared.errors import Conflict, Unavailable, Unprocessable
from shared.lease import kept_alive, lease_end
from shared.s3.object_paths import MAX_PATH_BYTES

_CHANGEABLE = frozenset({"uploading", "error"})


@dataclass(frozen=True)
class FileHold:
    """The right to change the object ``key``, or any of a model's; the model may be frozen once it is ``lost``."""

    id: int
    model_id: int
    lost: threading.Event
    path: str = "its files"
    key: str = ""

    def check(self) -> None:
        """Raise Unavailable once the hold is lost."""
        self._require(not self.lost.is_set())

    def require_held(self) -> None:
        """Raise Unavailable unless it is held, as the table says."""
        self._require(Hold.select().where(Hold.id == self.id).exists())

    def _require(self, is_held: bool) -> None:
        if not is_held:
            raise Unavailable(f"The change to {self.path} took too long to be safe.")


@contextmanager
def hold_model(model_id: int) -> Iterator[FileHold]:
    """Keep everybody else from a model's files during the block, whatever its status; NotFound or Conflict."""
    hold_id = _insert_for_all(model_id)
    with _renewed(hold_id) as lost:
        yield FileHold(hold_id, model_id, lost)


@contextmanager
def hold_file(model_id: int, path: str, *, exclusive: bool = False) -> Iterator[FileHold]:
    """Keep the model from being frozen during the block, and an ``exclusive`` one all others from the file.

    Raises NotFound, Unprocessable or Conflict.
    """
    hold_id, key = _insert(model_id, path, exclusive)
    with _renewed(hold_id) as lost:
        yield FileHold(hold_id, model_id, lost, path, key)


@contextmanager
def _renewed(hold_id: int) -> Iterator[threading.Event]:
    try:
        with kept_alive(lambda: _renew(hold_id)) as lost:
            yield lost
    finally:
        _delete(hold_id)


def locked_model(hold: FileHold) -> Model:
    """Return the model, its row locked until the transaction that this is called in ends; Unavailable if not held."""
    model = lock_model(hold.model_id)
    _require_changeable(model, hold.path)
    hold.require_held()
    return model


@connected
def _insert_for_all(model_id: int) -> int:
    with database.atomic():
        lock_model(model_id)
        if Hold.select().where(Hold.model_id == model_id, Hold.held_until > datetime.now(UTC)).exists():
            raise Conflict(f"The files of model {model_id} are being changed by another request.", retry_after=1)
        return int(Hold.create(model_id=model_id, exclusive=True, held_until=lease_end()).id)


@connected
def _insert(model_id: int, path: str, exclusive: bool) -> tuple[int, str]:
    with database.atomic():
        model = lock_model(model_id)
        key = f"{model.storage_path}/{path}"
        if len(key.encode()) > MAX_PATH_BYTES:
            raise Unprocessable.field("path", f"Longer than {MAX_PATH_BYTES} bytes with the storage path.")
        _require_changeable(model, path)
        _require_free(model_id, path, exclusive)
        hold = Hold.create(model_id=model_id, path=path, exclusive=exclusive, held_until=lease_end())
        return hold.id, key


def _require_free(model_id: int, path: str, exclusive: bool) -> None:
    """As S3 answers a conditional write amid another one (ConditionalRequestConflict)."""
    others = Hold.path == path if exclusive else (Hold.path == path) & Hold.exclusive
    of_all = Hold.path.is_null() & Hold.exclusive
    live = (Hold.model_id == model_id) & (Hold.held_until > datetime.now(UTC))
    if Hold.select().where(live, others | of_all).exists():
        raise Conflict(f"{path} is being changed by another request.")


@connected
def _renew(hold_id: int) -> bool:
    return bool(Hold.update(held_until=lease_end()).where(Hold.id == hold_id).execute())


@connected
def _delete(hold_id: int) -> None:
    Hold.delete().where(Hold.id == hold_id).execute()


def _require_changeable(model: Model, path: str) -> None:
    if model.status not in _CHANGEABLE:
        raise Conflict(f"Model {model.id} is {model.status}: its files are frozen.")
    require_not_frozen_elsewhere(model, [path])


@connected
def require_not_frozen_elsewhere(model: Model, paths: Iterable[str]) -> None:
    """Raise Conflict where a ready model that shares the storage path has one of a model's ``paths``."""
    # What is frozen for one must not change through another.
    keys = {f"{model.storage_path}/{path}": path for path in paths}
    folders = {folder for key in keys for folder in parents(key)}
    ready = (Model.status == "ready") & (Model.id != model.id)
    sharing = Model.select(Model.id, Model.storage_path).where(Model.storage_path.in_(list(folders)), ready)
    for other_id, other_path in tuples(sharing):
        below = {key[len(other_path) + 1 :]: path for key, path in keys.items() if is_below(key, other_path)}
        for key, path in below.items():
            if File.select().where(File.model_id == other_id, File.path == key).exists():
                raise Conflict(f"{path} is part of model {other_id}, which is ready.")
