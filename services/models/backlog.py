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
    path: str
    key: str
    size: int
    etag: str
    crc32: int | None
    """What the store keeps of it, where it was asked before."""
    announced_sha256: str | None
    read_bytes: int
    """Up to where it was read before, and the two states that go on from there."""
    crc32_so_far: int
    sha256_so_far: str | None


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
            progress = (row.read_bytes, row.crc32_so_far or 0, row.sha256_so_far)
            known = (row.path, f"{storage_path}/{row.path}", row.size, row.etag, row.crc32, row.announced_sha256)
            return Unread(row.id, holder, row.model_id, *known, *progress)
    return None


@connected
def renew(unread: Unread) -> bool:
    """Keep the lease for another while; False where it is lost."""
    return bool(_held(File.update(held_until=lease_end()), unread))


@connected
def keep_progress(unread: Unread, read_bytes: int, crc32: int, sha256_state: str) -> bool:
    """Write how far it is; False where the lease is lost."""
    progress = File.update(read_bytes=read_bytes, crc32_so_far=crc32, sha256_so_far=sha256_state)
    return bool(_held(progress, unread))


@connected
def store_crc32(unread: Unread, crc32: int) -> None:
    """Write what the store keeps; nothing happens where the lease is lost."""
    _held(File.update(crc32=crc32), unread)


@connected
def store_checksums(unread: Unread, crc32: int, sha256: str, error: str | None) -> None:
    """Write what was computed and what is wrong with it, and end the lease; nothing happens where that is lost."""
    _held(File.update(crc32=crc32, sha256=sha256, error=error, holder=None, held_until=None), unread)


@connected
def is_all_read(model_id: int) -> bool:
    """Say whether the checksums of all of a model's files are known."""
    return not File.select().where(File.model_id == model_id, File.sha256.is_null()).exists()


@connected
def store_error(unread: Unread, error: str) -> None:
    """Write why the file will have no checksums, and end the lease."""
    _held(File.update(error=error, holder=None, held_until=None), unread)


def _held(update: Any, unread: Unread) -> int:
    query = update.where(File.id == unread.id, File.holder == unread.holder)
    return int(query.execute())
