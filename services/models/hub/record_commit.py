"""Writes a commit's revision: the manifest, and the model's record, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from services.models.files.holds import ModelHold
from services.models.hub.commit_files import ManifestRow
from services.models.lifecycle.freeze import freeze
from services.models.paths import fold
from services.models.records.models import lock_model
from services.models.tables import File, Hold, Model, connected, database
from shared.database.queries import slices, tuples
from shared.errors import Conflict
from shared.s3.readable_bucket import ObjectInfo


@connected
def read_rows(model_id: int) -> dict[str, ManifestRow]:
    """Return what is on record of a model's files, by path."""
    columns = [getattr(File, name) for name in ManifestRow._fields]
    return {row[0]: ManifestRow(*row) for row in tuples(File.select(*columns).where(File.model_id == model_id))}


@connected
def record_commit(
    hold: ModelHold, before: Model, after: Iterable[ManifestRow], placed: list[ManifestRow], base_model: str | None
) -> None:
    """Make ``after`` the manifest of the ready model, with what is known of the files that were ``placed``.

    Raises Conflict where the model is another than ``before`` by now, and what ``freeze`` raises.
    """
    with database.atomic():
        model = lock_model(before.id)
        hold.require_held()
        if (model.status, model.revision) != (before.status, before.revision):
            raise Conflict(f"Model {model.id} was changed by another request meanwhile.", retry_after=1)
        Hold.delete().where(Hold.id == hold.id).execute()  # or it would keep the model from being frozen
        _replace_rows(model.id, placed)
        model.status, model.updated_at = "ready", datetime.now(UTC).replace(microsecond=0)
        model.base_model = base_model or model.base_model
        listing = [ObjectInfo(f"{model.storage_path}/{row.path}", row.size, row.etag) for row in after]
        freeze(model, sorted(listing, key=lambda found: found.key.encode()), allow_empty=True)
        model.save()


def _replace_rows(model_id: int, rows: list[ManifestRow]) -> None:
    for some in slices([row.path for row in rows]):
        File.delete().where(File.model_id == model_id, File.path.in_(some)).execute()
    columns = ("model_id", "folded", *ManifestRow._fields)
    database.insert_rows(File, columns, [(model_id, fold(row.path), *row) for row in rows])
