"""The plan of each freezing's whole archive, stored: a process that never saw the model has its first byte at once."""

from __future__ import annotations

from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from services.models.frozen import Manifest, read_manifest
from services.models.packed import PACKING, Packed, Plan, pack, unpack
from services.models.tables import Model, PackedPlan, connected, database
from shared.errors import Unavailable

_in_use: WeakValueDictionary[tuple[int, int], Plan] = WeakValueDictionary()
"""By model and revision: a plan of 100,000 files takes 12 MB, and a download manager asks for it 16 times at once."""


class Head(NamedTuple):
    """What the headers of an answer say of an archive; ``length`` in bytes."""

    etag: str
    length: int


@connected
def find_head(model: Model) -> Head | None:
    """Return what is known before its columns are read; None where this freezing of the model has no plan."""
    row = PackedPlan.select(PackedPlan.etag, PackedPlan.length).where(_is_of(model)).tuples().first()
    return None if row is None else Head(*row)


@connected
def load_plan(model: Model) -> Plan:
    """Return the plan that ``find_head`` has found; Unavailable where it is gone since."""
    plan = _in_use.get((model.id, model.revision))
    if plan is None:
        columns = [getattr(PackedPlan, name) for name in Packed._fields]
        row = PackedPlan.select(*columns).where(_is_of(model)).tuples().first()
        if row is None:
            raise Unavailable(f"Model {model.id} has changed.", retry_after=1)
        plan = _in_use[model.id, model.revision] = unpack(model, Packed(*row))
    return plan


def make_plan(model_id: int) -> None:
    """Store the plan of a ready model, where every checksum is known and right. Raises NotFound."""
    manifest = read_manifest(model_id)
    packed = pack(manifest.model, manifest.rows, manifest.documents)
    if packed is not None:
        store_plan(manifest, packed)


@connected
def store_plan(manifest: Manifest, packed: Packed) -> None:
    """Store what was planned of a manifest, if it is whole, that of a ready model and still the newest."""
    model = manifest.model
    if model.status != "ready" or not manifest.rows or any(row.error is not None for row in manifest.rows):
        return
    with database.atomic():
        newest = database.lock_rows(Model.select(Model.revision).where(Model.id == model.id)).get_or_none()
        if newest is not None and newest.revision == model.revision:
            PackedPlan.delete().where(PackedPlan.model_id == model.id).execute()
            key = {"model_id": model.id, "revision": model.revision, "packing": PACKING}
            PackedPlan.create(**key, **packed._asdict())


def _is_of(model: Model) -> Any:
    return (PackedPlan.model_id == model.id) & (PackedPlan.revision == model.revision) & (PackedPlan.packing == PACKING)
