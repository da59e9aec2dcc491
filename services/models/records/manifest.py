"""Reads a model's manifest, its frozen files, consistently as of one revision."""

from __future__ import annotations

from typing import NamedTuple

from services.models.records.models import get_model
from services.models.tables import File, Generated, Model, connected, database
from shared.database.queries import tuples
from shared.pacing import yield_turn, yielding

_ROWS_A_READ = 1_000


class ManifestFile(NamedTuple):
    """What is on record of a file; a tuple, for a model may have 100,000."""

    path: str
    size: int
    etag: str
    crc32: int | None = None
    sha256: str | None = None
    error: str | None = None
    announced_sha256: str | None = None

    @property
    def known_sha256(self) -> str | None:
        """What its sender announced, or whoever read it found."""
        return self.announced_sha256 or self.sha256

    @property
    def is_unverified(self) -> bool:
        """Whether its sender named a checksum, and nobody has read the file yet."""
        return self.announced_sha256 is not None and self.sha256 is None and self.error is None


class Manifest(NamedTuple):
    """A model, its files by path, and by path the text of what was made for its archive."""

    model: Model
    files: list[ManifestFile]
    documents: dict[str, str]


def read_manifest(model_id: int) -> Manifest:
    """Return the manifest of one revision, or raise NotFound; a long one yields to other requests."""
    while True:
        model = get_model(model_id)
        files = read_files(model_id)
        documents = _read_documents(model_id)
        # A transaction would not do: on PostgreSQL each of its statements sees what others have done by then.
        if get_model(model_id).revision == model.revision:
            # Both checksums are known together, so that an archive is planned once.
            whole = [row if row.sha256 else row._replace(crc32=None) for row in yielding(files)]
            return Manifest(model, whole, documents)


def read_files(model_id: int) -> list[ManifestFile]:
    """Return what is on record of a model's files, by path; many of them yield to other requests."""
    files: list[ManifestFile] = []
    while True:
        block = _read_block(model_id, files[-1].path if files else "")
        files += map(ManifestFile._make, block)
        if len(block) < _ROWS_A_READ:
            return files
        yield_turn()


@connected
def _read_block(model_id: int, after: str) -> list[tuple[object, ...]]:
    columns = [getattr(File, name) for name in ManifestFile._fields]
    query = File.select(*columns).where(File.model_id == model_id, File.path > after)
    # As the driver gives them: peewee's rows, which convert each value to what it is already, take four times as long.
    rows: list[tuple[object, ...]] = database.execute(query.order_by(File.path).limit(_ROWS_A_READ)).fetchall()
    return rows


@connected
def _read_documents(model_id: int) -> dict[str, str]:
    return dict(
        sorted(tuples(Generated.select(Generated.path, Generated.content).where(Generated.model_id == model_id)))
    )
