"""Freezing: what lies in the store when a model gets ready becomes its manifest."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from services.models.generated import make_documents
from services.models.paths import fold
from services.models.tables import File, Generated, Hold, Model, PackedPlan, Upload, database
from shared.database import tuples
from shared.errors import Conflict
from shared.store import Stored

_KEPT = ("crc32", "sha256", "announced_sha256", "read_bytes", "crc32_so_far", "sha256_so_far")
_NOTHING_KNOWN = (None, None, None, 0, None, None)
_COLUMNS = ("model_id", "path", "folded", "size", "etag", *_KEPT)


def freeze(model: Model, listing: list[Stored]) -> None:
    """Make ``listing`` (sorted by key) the model's files; call it in a transaction that holds the model.

    Checksums stay where size and etag say that the object is still the one they were computed of. Raises Conflict
    while an upload is under way, whose object may come after the listing, or one in parts is open.
    """
    _require_no_open_upload(model)
    Hold.delete().where(Hold.model_id == model.id, Hold.held_until < datetime.now(UTC)).execute()
    if Hold.select().where(Hold.model_id == model.id).exists():
        raise Conflict(f"An upload to model {model.id} is under way.", retry_after=1)
    known = _known_checksums(model.id)
    File.delete().where(File.model_id == model.id).execute()
    Generated.delete().where(Generated.model_id == model.id).execute()
    PackedPlan.delete().where(PackedPlan.model_id == model.id).execute()
    start = len(model.storage_path) + 1
    sizes = {found.key[start:]: found.size for found in listing}
    rows = []
    for found in listing:
        path = found.key[start:]
        kept = known.get((path, found.size, found.etag), _NOTHING_KNOWN)
        rows.append((model.id, path, fold(path), found.size, found.etag, *kept))
    database.insert_rows(File, _COLUMNS, rows)
    made = make_documents(model, model.lora_adapters_path[start:], model.gguf_path[start:], sizes)
    for path, content in made.items():
        Generated.create(model_id=model.id, path=path, content=content)
    model.total_size = sum(sizes.values())
    model.revision += 1


def _require_no_open_upload(model: Model) -> None:
    is_open = Upload.etag.is_null() & (Upload.expires_at > datetime.now(UTC))
    upload = Upload.get_or_none(Upload.model_id == model.id, is_open)
    if upload is not None:
        raise Conflict(f"Upload {upload.id} of {upload.path} is open: complete it or delete it.")


def _known_checksums(model_id: int) -> dict[tuple[str, int, str], tuple[Any, ...]]:
    """The ``_KEPT`` columns by path, size and etag; of a file in error (which is read again) what was announced."""
    columns = [getattr(File, name) for name in _KEPT]
    query = File.select(File.path, File.size, File.etag, File.error, *columns).where(File.model_id == model_id)
    return {
        (path, size, etag): tuple(kept) if error is None else (None, None, kept[2], 0, None, None)
        for path, size, etag, error, *kept in tuples(query)
    }
