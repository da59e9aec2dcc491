"""Carries a commit out: new content goes to its place, then one transaction makes the model's next revision."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import UTC, datetime

from services.models.bucket import list_objects
from services.models.files.holds import FileHold, hold_model, require_not_frozen_elsewhere
from services.models.files.staged_objects import end_staged, find_staged
from services.models.hub.base_model import UNKNOWN, find_base_model
from services.models.hub.commit_files import place_contents
from services.models.hub.commit_lines import Commit
from services.models.hub.commit_names import plan_change
from services.models.hub.snapshot import Snapshots
from services.models.lifecycle.freeze import freeze
from services.models.paths import fold
from services.models.records.manifest import ManifestFile, read_files
from services.models.records.models import get_model, lock_model
from services.models.tables import File, Hold, Model, StagedObject, connected, database
from shared.database.queries import slices
from shared.errors import Conflict, PreconditionFailed, Unavailable
from shared.s3.bucket import Bucket
from shared.s3.readable_bucket import ObjectInfo
from shared.telemetry.failures import failures_logged

NOT_KNOWN_YET = "0" * 40

log = logging.getLogger(__name__)


def apply_commit(bucket: Bucket, snapshots: Snapshots, model_id: int, commit: Commit) -> str:
    """Make the commit the model's next revision, ready, and return its name.

    Until then readers have the former one; a replaced file is unreadable while its fellows are put in their places.
    Raises Conflict (others change the model's files, or a path is another ready model's), PreconditionFailed (its
    parent is not the newest), EntryNotFound, Unprocessable and Unavailable.
    """
    with hold_model(model_id) as hold:
        model = get_model(model_id)
        before = snapshots.get(model)
        if commit.parent not in (None, before.sha):
            raise PreconditionFailed(f"The parent commit is not the newest: that is {before.sha}.")
        rows = _rows_of(bucket, model)
        change = plan_change(model.folders, commit, before, rows)
        if change.is_empty:
            return before.sha
        require_not_frozen_elsewhere(model, [*change.paths, *change.deleted])
        staged = find_staged(model_id, change.checksums.values())
        placed = place_contents(bucket, model, change, rows, staged, hold.check)
        after = {path: row for path, row in rows.items() if path not in change.deleted}
        after |= {row.path: row for row in placed}
        # What the pushed files say, where nobody has said it before.
        base_model = find_base_model(commit.contents) if model.base_model == UNKNOWN else None
        _record(hold, model, after.values(), placed, base_model)
    _clean_up(bucket, model, change.deleted, staged.values())
    return _name_of(snapshots, model_id)


def _rows_of(bucket: Bucket, model: Model) -> dict[str, ManifestFile]:
    """Return the manifest that the commit changes, by path; of a model that is not ready what lies there."""
    rows = {row.path: row for row in read_files(model.id)}
    if model.status == "ready":
        return rows
    start = len(model.storage_path) + 1
    found = list_objects(bucket, model.storage_path)
    listed = [ManifestFile(item.key[start:], item.size, item.etag) for item in found]
    same = {row[:3]: row for row in rows.values()}
    return {row.path: same.get(row[:3], row) for row in listed}


@connected
def _record(
    hold: FileHold, before: Model, after: Iterable[ManifestFile], placed: list[ManifestFile], base_model: str | None
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


def _replace_rows(model_id: int, rows: list[ManifestFile]) -> None:
    for some in slices([row.path for row in rows]):
        File.delete().where(File.model_id == model_id, File.path.in_(some)).execute()
    columns = ("model_id", "folded", *ManifestFile._fields)
    written = [(model_id, fold(row.path), *row._replace(error=None)) for row in rows]
    database.insert_rows(File, columns, written)


def _clean_up(bucket: Bucket, model: Model, deleted: Iterable[str], staged: Iterable[StagedObject]) -> None:
    """Remove what the new revision does not have; what stays is in no manifest, or swept after a day."""
    with failures_logged(log, f"Model {model.id}: objects of an earlier revision stay"):
        for path in deleted:
            bucket.remove(f"{model.storage_path}/{path}")
        for row in staged:
            end_staged(bucket, row)


def _name_of(snapshots: Snapshots, model_id: int) -> str:
    try:
        return snapshots.get(get_model(model_id)).sha
    except Unavailable:  # of a file that came by other ways
        return NOT_KNOWN_YET
