"""The queue of files without checksums; each is claimed by a lease in its row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from services.models.archive.object_reader import StoredObject
from services.models.tables import File, Model, connected
from shared.lease import lease_end

_CANDIDATES = 50


@dataclass(frozen=True)
class Claim:
    """A file claimed by ``holder``."""

    file_id: int
    holder: str
    model_id: int
    path: str
    stored: StoredObject
    """With the CRC-32 that the store keeps of it, where it was asked before."""
    announced_sha256: str | None


@connected
def claim_file(holder: str) -> Claim | None:
    """Claim the oldest unclaimed file, or return None."""
    free = File.held_until.is_null() | (File.held_until < datetime.now(UTC))
    unread = File.sha256.is_null() & File.error.is_null() & free
    candidates = File.select().where(unread).order_by(File.id).limit(_CANDIDATES)
    for row in list(candidates):
        # The condition again, in the statement that claims it: another process may have been faster.
        if File.update(holder=holder, held_until=lease_end()).where(File.id == row.id, unread).execute():
            storage_path = Model.select(Model.storage_path).where(Model.id == row.model_id).scalar()
            stored = StoredObject(f"{storage_path}/{row.path}", row.size, row.etag, row.crc32)
            return Claim(row.id, holder, row.model_id, row.path, stored, row.announced_sha256)
    return None


@connected
def renew(claim: Claim) -> bool:
    """Keep the lease for another while; False where it is lost."""
    return bool(_update(claim, held_until=lease_end()))


@connected
def record_crc32(claim: Claim, crc32: int) -> None:
    """Write what the store keeps; nothing happens where the lease is lost."""
    _update(claim, crc32=crc32)


@connected
def record_checksums(claim: Claim, crc32: int, sha256: str, error: str | None) -> None:
    """Write what was computed and what is wrong with it, and end the lease; nothing happens where that is lost."""
    _update(claim, crc32=crc32, sha256=sha256, error=error, holder=None, held_until=None)


@connected
def record_error(claim: Claim, error: str) -> None:
    """Write why the file will have no checksums, and end the lease."""
    _update(claim, error=error, holder=None, held_until=None)


def _update(claim: Claim, **values: Any) -> int:
    return int(File.update(**values).where(File.id == claim.file_id, File.holder == claim.holder).execute())
