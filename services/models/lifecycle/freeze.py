"""Freezes a model: the listing of its objects becomes its manifest."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from services.models.lifecycle.model_card import make_documents
from services.models.paths import fold
from services.models.tables import File, Generated, Hold, Model, Upload, database
from shared.database.queries import tuples
from shared.errors import Conflict
from shared.s3.readable_bucket import ObjectInfo

_CHECKSUMS = ("crc32", "sha256", "announced_sha256")
_COLUMNS = ("model_id", "path", "folded", "size", "etag", *_CHECKSUMS)


def freeze(model: Model, listing: list[ObjectInfo], *, allow_empty: bool) -> None:
    """Make ``listing`` (sorted by key) the model's manifest; call it in a transaction that holds the model's row.

    Checksums, and what they say against it, stay where size and etag say that the object is still the one they were
    computed of. Raises Conflict while an upload is under way, whose object may come after the listing, while one in
    parts is open, for a file that is known to be wrong, and where there is none unless that is allowed.
    """
    if not listing and not allow_empty:
        raise Conflict(f"There is no file below {model.storage_path}/; with allow_empty it is ready all the same.")
    is_open = Upload.etag.is_null() & (Upload.expires_at > datetime.now(UTC))
    upload = Upload.get_or_none(Upload.model_id == model.id, is_open)
    if upload is not None:
        raise Conflict(f"Upload {upload.id} of {upload.path} is open: complete it or delete it.")
    Hold.delete().where(Hold.model_id == model.id, Hold.held_until < datetime.now(UTC)).execute()
    if Hold.select().where(Hold.model_id == model.id).exists():
        raise Conflict(f"An upload to model {model.id} is under way.", retry_after=1)
    known = _known_checksums(model.id)
    File.delete().where(File.model_id == model.id).execute()
    start = len(model.storage_path) + 1
    sizes = {found.key[start:]: found.size for found in listing}
    rows = []
    for found in listing:
        path = found.key[start:]
        error, *checksums = known.get((path, found.size, found.etag), (None, None, None, None))
        if error is not None:
            raise Conflict(f"{path}: {error} Upload it again, or delete it.")
        rows.append((model.id, path, fold(path), found.size, found.etag, *checksums))
    database.insert_rows(File, _COLUMNS, rows)
    model.total_size = sum(sizes.values())
    _generate(model, sizes)


def generate_anew(model: Model) -> None:
    """Make a ready model's card and metrics from its record anew, in a transaction that holds its row."""
    query = File.select(File.path, File.size).where(File.model_id == model.id).order_by(File.path)
    _generate(model, dict(tuples(query)))


def _generate(model: Model, sizes: dict[str, int]) -> None:
    """Write what is generated of a model's record: a new revision, for its archive is another one."""
    Generated.delete().where(Generated.model_id == model.id).execute()
    made = make_documents(model, *model.folders, sizes)
    for path, content in made.items():
        Generated.create(model_id=model.id, path=path, content=content)
    model.revision += 1


def _known_checksums(model_id: int) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """Return what is wrong with each file, and its checksums, by path, size and etag: with these alike it is the same.

    One that is not what its sender announced stays so. One with another error is read again: perhaps it is back.
    """
    columns = [getattr(File, name) for name in _CHECKSUMS]
    query = File.select(File.path, File.size, File.etag, File.error, *columns).where(File.model_id == model_id)
    known: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for path, size, etag, error, crc32, sha256, announced in tuples(query):
        is_settled = error is None or (sha256 is not None and announced is not None)
        known[path, size, etag] = (error, crc32, sha256, announced) if is_settled else (None, None, None, announced)
    return known
