"""Files that a push announces by path and size, before it sends content of which only size and SHA-256 are said."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from services.models.presigned_urls import LIFETIME
from services.models.tables import AnnouncedFile, connected, database
from shared.database.queries import slices, tuples


@connected
def announce_files(model_id: int, sizes: Sequence[tuple[str, int]]) -> None:
    """Remember paths and their sizes in this order; what was announced of a path before counts no more."""
    with database.atomic():
        for some in slices([path for path, _ in sizes]):
            AnnouncedFile.delete().where(AnnouncedFile.model_id == model_id, AnnouncedFile.path.in_(some)).execute()
        expires_at = AnnouncedFile.expires_at.db_value(datetime.now(UTC) + LIFETIME)
        rows = [(model_id, path, size, expires_at) for path, size in sizes]
        database.insert_rows(AnnouncedFile, ("model_id", "path", "size", "expires_at"), rows)


@connected
def take_announced(model_id: int, sizes: Iterable[int]) -> list[str | None]:
    """Return for each size the path that was announced first with it, each path once; a guess where several have it."""
    waiting: defaultdict[int, deque[tuple[int, str]]] = defaultdict(deque)
    with database.atomic():
        columns = (AnnouncedFile.id, AnnouncedFile.path, AnnouncedFile.size)
        query = AnnouncedFile.select(*columns).where(AnnouncedFile.model_id == model_id).order_by(AnnouncedFile.id)
        for row_id, path, size in tuples(query):
            waiting[size].append((row_id, path))
        found = [waiting[size].popleft() if waiting[size] else (None, None) for size in sizes]
        for some in slices([row_id for row_id, _ in found if row_id is not None]):
            AnnouncedFile.delete().where(AnnouncedFile.id.in_(some)).execute()
    return [path for _, path in found]


@connected
def forget_announced(now: datetime) -> None:
    """Delete what was announced and not sent in time."""
    AnnouncedFile.delete().where(AnnouncedFile.expires_at <= now).execute()
