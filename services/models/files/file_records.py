"""The rows of a model's files."""

from __future__ import annotations

import unicodedata
from typing import Any

from services.models.files.holds import FileHold, locked_model
from services.models.paths import fold, parents
from services.models.records.models import get_model
from services.models.tables import File, Model, connected, database
from shared.database.pagination import Page, paginate
from shared.database.queries import get_or_404, tuples
from shared.errors import Conflict, Unavailable


@connected
def list_files(model_id: int, *, page: int, limit: int) -> tuple[Model, Page]:
    """Return the model and a page of its files by path, or raise NotFound."""
    model = get_model(model_id)
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
def find_file(model_id: int, path: str) -> tuple[Model, File]:
    """Return a model and its file of that path, composed or not, or raise NotFound."""
    model = get_model(model_id)
    spellings = {path, unicodedata.normalize("NFD", path), unicodedata.normalize("NFC", path)}
    query = File.select().where(File.model_id == model_id, File.path.in_(spellings))
    return model, get_or_404(query.order_by(File.path == path).limit(1), f"file {path} of model {model_id}")


@connected
def find_etag(model_id: int, path: str) -> str | None:
    """Return the quoted etag of a file that is on record, or None."""
    etag = File.select(File.etag).where(File.model_id == model_id, File.path == path).scalar()
    return None if etag is None else f'"{etag}"'


def is_trusted(file: File) -> bool:
    """Say whether a file is what its sender said it is, as far as anybody can know: it may be handed out."""
    if file.announced_sha256 is None:
        return file.error is None or file.sha256 is None
    return file.sha256 is not None and file.error is None


@connected
def find_standing(model_id: int, path: str) -> File:
    """Return what says whether a file may be handed out, and as which object, by its exact path, or raise NotFound.

    With these columns alone it is one cheap query.
    """
    query = File.select(File.path, File.etag, File.sha256, File.error, File.announced_sha256)
    file: File = get_or_404(
        query.where(File.model_id == model_id, File.path == path), f"file {path} of model {model_id}"
    )
    return file


def require_trusted(file: File) -> None:
    """Raise Conflict for a file that is known to be wrong, Unavailable for one that is still being verified."""
    if not is_trusted(file):
        if file.error is not None:
            raise Conflict(f"{file.path}: {file.error}")
        raise Unavailable(f"{file.path} is being verified.", retry_after=5)


@connected
def has_all_checksums(model_id: int) -> bool:
    """Say whether a model has files and the checksums of each are known."""
    of_model = File.select(File.id).where(File.model_id == model_id)
    return of_model.exists() and not of_model.where(File.sha256.is_null() | File.crc32.is_null()).exists()


@connected
def record_damage(model: Model, key: str, etag: str, error: str) -> None:
    """Mark a frozen file as damaged: it is left out of archives until the model is frozen again."""
    path = key[len(model.storage_path) + 1 :]
    with database.atomic():
        # Archives that were planned without the flag are of the revision before.
        Model.update(revision=Model.revision + 1).where(Model.id == model.id).execute()
        File.update(error=error).where(File.model_id == model.id, File.path == path, File.etag == etag).execute()


@connected
def require_no_clash(model_id: int, path: str) -> None:
    """Raise Conflict for a path that some file system could not hold beside the model's other files."""
    folded = fold(path)
    same = (File.folded == folded) & (File.path != path)
    above = File.folded.in_(parents(folded))
    # "0" follows "/": these are all that begin with the path and a slash, by the index.
    below = (File.folded > f"{folded}/") & (File.folded < f"{folded}0")
    other = File.get_or_none((File.model_id == model_id) & (same | above | below))
    if other is not None:
        raise Conflict(f"{path} cannot lie beside {other.path}.")


@connected
def record_file(hold: FileHold, revision: int, *, size: int, etag: str, **checksums: Any) -> bool:
    """Record an uploaded file; False where the model's files changed since ``revision``, and nothing is done.

    ``checksums`` are those columns (``crc32``, ``sha256``, ``announced_sha256``) that are known of it.
    """
    with database.atomic():
        model = locked_model(hold)
        if model.revision != revision:
            return False
        require_no_clash(model.id, hold.path)
        _replace_size(model, _delete_row(model.id, hold.path), size)
        row = {"model_id": model.id, "path": hold.path, "folded": fold(hold.path), "size": size, "etag": etag}
        File.create(**row, **checksums)
        return True


@connected
def forget_file(hold: FileHold) -> bool:
    """Delete a file's row; False where there is none."""
    with database.atomic():
        model = locked_model(hold)
        size = _delete_row(model.id, hold.path)
        _replace_size(model, size, 0)
        return size is not None


def _replace_size(model: Model, old: int | None, new: int) -> None:
    model.total_size += new - (old or 0)
    model.revision += 1
    model.save()


def _delete_row(model_id: int, path: str) -> int | None:
    """Delete the row and return its size, or None where there is none."""
    row = (File.model_id == model_id) & (File.path == path)
    size: int | None = File.select(File.size).where(row).scalar()
    File.delete().where(row).execute()
    return size
