"""Plans a model's archive from its manifest: what goes into it, under which names, and how long it is."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import NamedTuple

from services.models.archive.layout import Archive, Entry
from services.models.archive.object_reader import Content, GeneratedFile, StoredObject
from services.models.lifecycle.model_card import SUMS, checksum_lines
from services.models.paths import archive_names, fold
from services.models.records.manifest import Manifest
from services.models.records.manifest_cache import ManifestCache
from services.models.selection import Selection
from services.models.tables import Model
from shared.errors import Conflict, NotFound, Unavailable
from shared.pacing import yielding

MAX_CACHED_MEMBERS = 100_000
"""Of all plans that a process keeps: some 60 MB."""


class Member(NamedTuple):
    """A file of the archive: its path below the model's storage path, its entry's name, and what it holds."""

    path: str
    name: bytes
    content: Content
    error: str | None = None
    """What is wrong with the stored object, if anything is known to be."""
    is_unverified: bool = False
    """Whether its sender's checksum is still to be compared with its content."""


@dataclass(frozen=True, eq=False)
class Plan:
    """A model's archive, or a part of it, before any of it is read."""

    model: Model
    members: list[Member]
    archive: Archive | None
    """None until the checksums of all of its members are known."""

    def require_undamaged(self) -> None:
        """Raise Conflict for a file that is known to be another than it should be, Unavailable until it is known."""
        for member in self.members:
            if member.is_unverified:
                raise Unavailable(f"{member.path} is being verified.", retry_after=5)
            # A file in error without checksums was missing or changed when it was read; perhaps it is back.
            if member.error is not None and member.content.crc32 is not None:
                raise Conflict(member.error)

    @property
    def digest(self) -> str | None:
        """Twelve digits that another archive of the model does not have; None until it has a layout."""
        return None if self.archive is None else self.archive.etag[1:13]

    def part(self, selection: Selection) -> Plan:
        """Return the plan of what a selection leaves; NotFound where that is nothing."""
        members = [member for member in self.members if selection.admits(member.path)]
        if not members:
            raise NotFound(f"Model {self.model.id} has no file {selection}.")
        return Plan(self.model, members, _lay_out(self.model, members))


class PlanCache(ManifestCache[Plan]):
    """The plans of one process; one without a layout is made anew each time."""

    def __init__(self, max_members: int = MAX_CACHED_MEMBERS) -> None:
        super().__init__(
            lambda manifest: plan_archive(manifest),
            lambda plan: None if plan.archive is None else len(plan.members),
            max_members,
        )


def plan_archive(manifest: Manifest) -> Plan:
    """Return the plan of all that a manifest has; NotFound where it has no files.

    A long one yields to other requests while it is made.
    """
    model, files, documents = manifest
    if not files:
        raise NotFound(f"Model {model.id} has no files.")
    # The last of the names takes nothing from the others, so they are the same with it and without.
    names = archive_names(yielding([*(file.path for file in files), *documents, SUMS]))
    members, sums = [], []
    for file, (path, name) in zip(yielding(files), names, strict=False):
        stored = StoredObject(f"{model.storage_path}/{path}", file.size, file.etag, file.crc32)
        members.append(Member(path, f"{model.id}/{name}".encode(), stored, file.error, file.is_unverified))
        sums.append((name, file.sha256 or ""))
    for text, (path, name) in zip(documents.values(), names, strict=False):
        members.append(Member(path, f"{model.id}/{name}".encode(), GeneratedFile(text.encode())))
        sums.append((name, hashlib.sha256(text.encode()).hexdigest()))
    if not any(file.crc32 is None for file in files):
        name = next(names)[1]
        # A list that is the model's own has the name; a folder of that name takes it, too, but holds no list.
        if name == SUMS or not any(fold(file.path) == fold(SUMS) for file in files):
            members.append(Member(SUMS, f"{model.id}/{name}".encode(), GeneratedFile(checksum_lines(sums).encode())))
    return Plan(model, members, _lay_out(model, members))


def _lay_out(model: Model, members: list[Member]) -> Archive | None:
    entries = []
    for member in yielding(members):
        crc32 = member.content.crc32
        if crc32 is None:
            return None
        entries.append(Entry(member.name, member.content.size, crc32))
    return Archive(entries, model.created_at, pace=yielding)
