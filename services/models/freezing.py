"""Freezing: what lies in the store when a model gets ready becomes its manifest."""

from __future__ import annotations

from datetime import UTC, datetime

from services.models.generated import make_documents
from services.models.paths import fold
from services.models.tables import File, Generated, Hold, Model, database
from shared.database import tuples
from shared.errors import Conflict
from shared.store import Stored

_COLUMNS = ("model_id", "path", "folded", "size", "etag", "crc32", "sha256")


def freeze(model: Model, listing: list[Stored]) -> None:
    """Make ``listing`` (sorted by key) the model's files; call it in a transaction that holds the model.

    Checksums stay where size and etag say that the object is still the one they were computed of. Raises Conflict
    while an upload is under way: its object may come after the listing.
    """
    Hold.delete().where(Hold.model_id == model.id, Hold.held_until < datetime.now(UTC)).execute()
    if Hold.select().where(Hold.model_id == model.id).exists():
        raise Conflict(f"An upload to model {model.id} is under way.", retry_after=1)
    known = _known_checksums(model.id)
    File.delete().where(File.model_id == model.id).execute()
    Generated.delete().where(Generated.model_id == model.id).execute()
    start = len(model.storage_path) + 1
    sizes = {found.key[start:]: found.size for found in listing}
    rows = []
    for found in listing:
        path = found.key[start:]
        crc32, sha256 = known.get((path, found.size, found.etag), (None, None))
        rows.append((model.id, path, fold(path), found.size, found.etag, crc32, sha256))
    database.insert_rows(File, _COLUMNS, rows)
    made = make_documents(model, model.lora_adapters_path[start:], model.gguf_path[start:], sizes)
    for path, content in made.items():
        Generated.create(model_id=model.id, path=path, content=content)
    model.total_size = sum(sizes.values())
    model.revision += 1


def _known_checksums(model_id: int) -> dict[tuple[str, int, str], tuple[int, str]]:
    query = File.select(File.path, File.size, File.etag, File.crc32, File.sha256).where(
        File.model_id == model_id, File.sha256.is_null(False)
    )
    return {(path, size, etag): (crc32, sha256) for path, size, etag, crc32, sha256 in tuples(query)}
