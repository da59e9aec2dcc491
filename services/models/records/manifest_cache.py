"""Keeps what is made of a manifest, by model and revision."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from services.models.records.manifest import Manifest, read_manifest
from services.models.records.models import get_model
from services.models.tables import Model
from shared.single_flight import SingleFlight

Made = TypeVar("Made")


class ManifestCache(Generic[Made]):
    """What ``make`` returns, the least recently used forgotten first; any number of requests may ask at once.

    Kept are ``max_files`` in all, as ``count`` counts those of each; what it gives None for is not kept.
    """

    def __init__(self, make: Callable[[Manifest], Made], count: Callable[[Made], int | None], max_files: int) -> None:
        self._make_of = make
        self._count = count
        self._max_files = max_files
        self._made: OrderedDict[tuple[int, int], tuple[Made, int]] = OrderedDict()
        self._making = SingleFlight(self._make)

    def get(self, model: Model) -> Made:
        """Return what is made of all of a model's files; NotFound where there is no such model by now."""
        return self._find(model) or self._making.get(model.id)

    def _find(self, model: Model) -> Made | None:
        key = (model.id, model.revision)
        if key not in self._made:
            return None
        self._made.move_to_end(key)
        return self._made[key][0]

    def _make(self, model_id: int) -> Made:
        # Who waited for another request finds here what that one made.
        if found := self._find(get_model(model_id)):
            return found
        manifest = read_manifest(model_id)
        made = self._make_of(manifest)
        count = self._count(made)
        if count is not None:
            self._made[manifest.model.id, manifest.model.revision] = (made, count)
            while sum(kept for _, kept in self._made.values()) > self._max_files:
                self._made.popitem(last=False)
        return made
