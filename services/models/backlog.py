"""Files whose checksums nobody knows yet, given out by a lease in their row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from services.models.tables import File, Model, connected
from shared.lease import lease_end

_CANDIDATES = 50


@dataclass(frozen=True)
class Unread:
    """A file to be read by ``holder``."""

    id: int
    holder: str
    model_id: int
    key: str
    size: int
    etag: str


@connected
def take_unread(holder: str) -> Unread | None:
    """Take the oldest file that nobody reads, or return None."""
    free = File.held_until.is_null() | (File.held_until < datetime.now(UTC))
    unread = File.sha256.is_null() & File.error.is_null() & free
    candidates = File.select().where(unread).order_by(File.id).limit(_CANDIDATES)
    for row in list(candidates):
        # The condition again, in the statement that takes it: another process may have been faster.
        taken = File.update(holder=holder, held_until=lease_end()).where(File.id == row.id, unread).execute()
        if taken:
            storage_path = Model.select(Model.storage_path).where(Model.id == row.model_id).scalar()
            key = f"{storage_path}/{row.path}"
            return Unread(row.id, holder, row.model_id, key, row.size, row.etag)
    return None


@connected
def renew(unread: Unread) -> bool:
    """Keep the lease for another while; False where it is lost."""
    return bool(_held(File.update(held_until=lease_end()), unread))


@connected
def store_checksums(unread: Unread, crc32: int, sha256: str) -> None:
    """Write what was computed, and end the lease; nothing happens where the lease is lost."""
    _held(File.update(crc32=crc32, sha256=sha256, holder=None, held_until=None), unread)


@connected
def store_error(unread: Unread, error: str) -> None:
    """Write why the file will have no checksums, and end the lease."""
    _held(File.update(error=error, holder=None, held_until=None), unread)


def _held(update: Any, unread: Unread) -> int:
    query = update.where(File.id == unread.id, File.holder == unread.holder)
    return int(query.execute())
