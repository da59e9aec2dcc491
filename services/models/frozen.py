"""What a model was frozen with, read as of one moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from services.models.tables import File, Generated, Model, connected
from shared.database import tuples
from shared.errors import NotFound


class FrozenFile(NamedTuple):
    """What an archive needs of a file; a tuple, for a model may have 100,000."""

    path: str
    size: int
    etag: str
    crc32: int | None
    """Known together with the other one, so that an archive is planned once."""
    sha256: str | None
    error: str | None


@dataclass(frozen=True)
class Manifest:
    """A model, its files by path, and by path the text of what was made for its archive."""

    model: Model
    rows: list[FrozenFile]
    documents: dict[str, str]


@connected
def read_manifest(model_id: int) -> Manifest:
    """Return all of one freezing, or raise NotFound."""
    columns = [getattr(File, name) for name in FrozenFile._fields]
    files = File.select(*columns).where(File.model_id == model_id).order_by(File.path)
    generated = Generated.select(Generated.path, Generated.content).where(Generated.model_id == model_id)
    while True:
        model = Model.get_or_none(Model.id == model_id)
        if model is None:
            raise NotFound(f"There is no model {model_id}.")
        rows = [row if row.sha256 else row._replace(crc32=None) for row in map(FrozenFile._make, tuples(files))]
        documents = dict(sorted(tuples(generated)))
        # A transaction would not do: on PostgreSQL each of its statements sees what others have done by then.
        if Model.select(Model.revision).where(Model.id == model_id).scalar() == model.revision:
            return Manifest(model, rows, documents)
