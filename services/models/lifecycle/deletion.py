"""Deletes models, and purges their objects from the store, at once or later on."""

from __future__ import annotations

from datetime import UTC, datetime

from services.models.bucket import list_objects
from services.models.paths import is_below, parents
from services.models.records.models import get_model, lock_model
from services.models.tables import DeletedModel, File, Generated, Hold, Model, StagedObject, Upload, connected, database
from shared.database.queries import tuples
from shared.s3.bucket import Bucket


def delete_model(bucket: Bucket, model_id: int, *, purge: bool) -> int:
    """Delete the record and, with ``purge``, the objects below its storage path that no other model covers.

    Returns how many objects stay there. The objects go first: if the store fails midway, the same request goes on
    where it stopped. A purge works after the record is gone, too.
    """
    storage_path = _storage_path(model_id, purge=purge)
    kept = list_objects(bucket, storage_path, markers=True)
    if purge:
        others = _overlapping_paths(model_id, storage_path)
        covered = [found for found in kept if any(is_below(found.key, other) for other in others)]
        for found in kept:
            if found not in covered:
                bucket.remove(found.key)
        kept = covered
    delete_record(model_id, storage_path, purge=purge)
    return len(kept)


@connected
def _storage_path(model_id: int, *, purge: bool) -> str:
    """Return the storage path of a model, or of one that was deleted and not purged; NotFound else."""
    deleted = DeletedModel.get_or_none(DeletedModel.id == model_id) if purge else None
    return str(deleted.storage_path if deleted is not None else get_model(model_id).storage_path)


@connected
def _overlapping_paths(model_id: int, storage_path: str) -> list[str]:
    """The storage paths of other models that may cover objects of this one: equal, above or below."""
    around = [storage_path, *parents(storage_path)]
    below = Model.storage_path.startswith(f"{storage_path}/")
    query = Model.select(Model.storage_path).where(Model.id != model_id, Model.storage_path.in_(around) | below)
    return [path for (path,) in tuples(query)]


@connected
def delete_record(model_id: int, storage_path: str, *, purge: bool) -> None:
    """Delete the record; where its objects stay, remember where, for a purge later on."""
    with database.atomic():
        DeletedModel.delete().where(DeletedModel.id == model_id).execute()
        if not purge:
            lock_model(model_id)
            DeletedModel.insert(id=model_id, storage_path=storage_path).execute()
        for table in (File, Generated, Hold):
            table.delete().where(table.model_id == model_id).execute()
        # What has expired is aborted in the store before it is forgotten.
        Upload.update(expires_at=datetime.now(UTC)).where(Upload.model_id == model_id).execute()
        StagedObject.update(expires_at=datetime.now(UTC)).where(StagedObject.model_id == model_id).execute()
        Model.delete().where(Model.id == model_id).execute()
