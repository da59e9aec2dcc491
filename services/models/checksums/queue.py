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

    file: File
    holder: str
    stored: StoredObject
    """With the CRC-32 that the store keeps of it, where it was asked before."""


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
            return Claim(row, holder, stored)
    return None


@connected
def record(claim: Claim, **values: Any) -> bool:
    """Write what is known of the file, and keep the lease for another while; False, and nothing, where it is lost."""
    columns = {"held_until": lease_end()} | values
    row = (File.id == claim.file.id) & (File.holder == claim.holder)
    return bool(File.update(**columns).where(row).execute())


def finish(claim: Claim, **values: Any) -> None:
    """Write the checksums, or the error why there are none, and end the lease; nothing happens where that is lost."""
    record(claim, **values, holder=None, held_until=None)
