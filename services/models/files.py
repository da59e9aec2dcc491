"""The rows of a model's files, and the holds of those who change its objects."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from services.models.paths import fold, parents
from services.models.records import lock_model
from services.models.tables import File, Hold, Model, connected, database
from shared.database import tuples
from shared.errors import Conflict, NotFound, Unavailable, Unprocessable
from shared.lease import kept_alive, lease_end
from shared.object_paths import MAX_PATH_BYTES
from shared.pagination import Page, paginate

_CHANGEABLE = frozenset({"uploading", "error"})


@connected
def list_files(model_id: int, *, page: int, limit: int) -> tuple[Model, Page]:
    """Return the model and a page of its files by path, or raise NotFound."""
    model = Model.get_or_none(Model.id == model_id)
    if model is None:
        raise NotFound(f"There is no model {model_id}.")
    query = File.select().where(File.model_id == model_id).order_by(File.path)
    return model, paginate(query, page, limit)


@connected
def first_files(model_id: int, limit: int | None) -> list[File]:
    """Return the first ``limit`` files by path, or all."""
    return list(File.select().where(File.model_id == model_id).order_by(File.path).limit(limit))


@connected
def file_sizes(model_id: int) -> dict[str, int]:
    """Return the size of each of the model's files by path."""
    query = File.select(File.path, File.size).where(File.model_id == model_id).order_by(File.path)
    return dict(tuples(query))


@connected
def record_damage(model: Model, key: str, etag: str, error: str) -> None:
    """Flag a frozen file whose object has another content: it is in no archive until the model is frozen anew."""
    path = key[len(model.storage_path) + 1 :]
    with database.atomic():
        # Archives that were planned without the flag are of the revision before.
        Model.update(revision=Model.revision + 1).where(Model.id == model.id).execute()
        File.update(error=error).where(File.model_id == model.id, File.path == path, File.etag == etag).execute()


@dataclass(frozen=True)
class Held:
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
def hold(model_id: int, path: str) -> Iterator[Held]:
    """Keep the model from being frozen during the block. Raises NotFound, Unprocessable or Conflict."""
    hold_id, key = _take_hold(model_id, path)
    try:
        with kept_alive(lambda: _renew_hold(hold_id)) as lost:
            yield Held(hold_id, model_id, path, key, lost)
    finally:
        _drop_hold(hold_id)


@connected
def _take_hold(model_id: int, path: str) -> tuple[int, str]:
    with database.atomic():
        model = lock_model(model_id)
        key = f"{model.storage_path}/{path}"
        if len(key.encode()) > MAX_PATH_BYTES:
            raise Unprocessable.field("path", f"Longer than {MAX_PATH_BYTES} bytes with the storage path.")
        _require_changeable(model, path, key)
        return Hold.create(model_id=model_id, held_until=lease_end()).id, key


@connected
def _renew_hold(hold_id: int) -> bool:
    return bool(Hold.update(held_until=lease_end()).where(Hold.id == hold_id).execute())


@connected
def _drop_hold(hold_id: int) -> None:
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


def _require_no_clash(model_id: int, path: str) -> None:
    """Refuse a path that some file system could not hold beside the model's other files."""
    folded = fold(path)
    same = (File.folded == folded) & (File.path != path)
    above = File.folded.in_(parents(folded))
    # "0" follows "/": these are all that begin with the path and a slash, by the index.
    below = (File.folded > f"{folded}/") & (File.folded < f"{folded}0")
    other = File.get_or_none((File.model_id == model_id) & (same | above | below))
    if other is not None:
        raise Conflict(f"{path} cannot lie beside {other.path}.")


@connected
def check_path(model_id: int, path: str) -> None:
    """Raise Conflict where the path clashes with another file's."""
    _require_no_clash(model_id, path)


@connected
def files_revision(model_id: int) -> int:
    """Return the number of changes to the model's files so far, or raise NotFound."""
    model = Model.get_or_none(Model.id == model_id)
    if model is None:
        raise NotFound(f"There is no model {model_id}.")
    return int(model.revision)


@connected
def record_file(
    held: Held,
    revision: int,
    *,
    size: int,
    etag: str,
    crc32: int | None = None,
    sha256: str | None = None,
    announced_sha256: str | None = None,
) -> bool:
    """Record an uploaded file; False where the model's files changed since ``revision``, and nothing is done.

    ``crc32`` and ``sha256`` are what was computed of it, if its bytes were seen.
    """
    with database.atomic():
        model = changing_model(held)
        if model.revision != revision:
            return False
        _require_no_clash(model.id, held.path)
        model.total_size += size - _forget(model.id, held.path)
        model.revision += 1
        model.save()
        File.create(
            model_id=model.id,
            path=held.path,
            folded=fold(held.path),
            size=size,
            etag=etag,
            crc32=crc32,
            sha256=sha256,
            announced_sha256=announced_sha256,
        )
        return True


@connected
def forget_file(held: Held) -> bool:
    """Take a file out of the model; False where it had none of that path."""
    with database.atomic():
        model = changing_model(held)
        known = File.select().where(File.model_id == model.id, File.path == held.path).exists()
        model.total_size -= _forget(model.id, held.path)
        model.revision += 1
        model.save()
        return bool(known)


def changing_model(held: Held) -> Model:
    """Return the held model, locked until the transaction that this is called in ends; Unavailable if not held now."""
    model = lock_model(held.model_id)
    _require_changeable(model, held.path, held.key)
    if not Hold.select().where(Hold.id == held.id).exists():
        raise Unavailable(f"The change to {held.path} took too long to be safe.")
    return model


def _forget(model_id: int, path: str) -> int:
    """Delete the row, if there is one, and return its size."""
    size = File.select(File.size).where(File.model_id == model_id, File.path == path).scalar() or 0
    File.delete().where(File.model_id == model_id, File.path == path).execute()
    return int(size)
