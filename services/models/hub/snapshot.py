"""A revision of a repository: its files by their names in it, and the commit that names them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from services.models.lifecycle.model_card import CARD
from services.models.records.display_names import name_files
from services.models.records.manifest import Manifest, ManifestFile
from services.models.records.manifest_cache import ManifestCache
from services.models.tables import Model
from shared.errors import Conflict, Unavailable
from shared.pacing import yielding

MAX_CACHED_FILES = 200_000
"""Of all snapshots that a process keeps: some 60 MB."""


class RepoFile(NamedTuple):
    """A file of a repository."""

    name: str
    path: str
    """Below the model's storage path."""
    size: int
    sha256: str
    """What its sender announced until it was read, so that a commit keeps its name."""
    text: bytes | None = None
    """Of a file that was made from the record and is in no bucket."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The files in the order of their names; the same files have the same ``sha``, 40 hexadecimal digits."""

    sha: str
    files: Mapping[str, RepoFile]


def make_snapshot(manifest: Manifest) -> Snapshot:
    """Return the snapshot of a ready model; Unavailable while the SHA-256 of a file is not known, Conflict if never."""
    model, rows, documents = manifest
    names = name_files((row.path for row in rows), model.folders)
    files = [RepoFile(names[row.path], row.path, row.size, _sha256_of(row)) for row in yielding(rows)]
    card = documents.get(CARD)
    if card is not None and CARD not in names.values():
        text = card.encode()
        files.append(RepoFile(CARD, CARD, len(text), hashlib.sha256(text).hexdigest(), text))
    files.sort(key=lambda file: file.name)
    return Snapshot(_commit_of(files), {file.name: file for file in files})


def _sha256_of(row: ManifestFile) -> str:
    known = row.known_sha256
    if known is None and row.error is not None:
        raise Conflict(f"{row.path}: {row.error}")
    if known is None:
        raise Unavailable(f"The SHA-256 of {row.path} is not known yet.", retry_after=5)
    return known


def _commit_of(files: Iterable[RepoFile]) -> str:
    digest = hashlib.sha1(usedforsecurity=False)
    for file in yielding(files):
        digest.update(f"{file.name}\0{file.size}\0{file.sha256}\n".encode())
    return digest.hexdigest()


EMPTY = Snapshot(_commit_of(()), {})
"""A model that is not ready exists as a repository, and has no files yet."""


class Snapshots(ManifestCache[Snapshot]):
    """The snapshots of one process."""

    def __init__(self) -> None:
        super().__init__(make_snapshot, lambda snapshot: len(snapshot.files), MAX_CACHED_FILES)

    def get(self, model: Model) -> Snapshot:
        """Return the snapshot of a model; raises what ``make_snapshot`` raises."""
        return super().get(model) if model.status == "ready" else EMPTY


def files_below(snapshot: Snapshot, folder: str) -> Iterator[RepoFile]:
    """Yield the files below a folder of the repository, all for ``""``."""
    head = f"{folder}/" if folder else ""
    return (file for file in snapshot.files.values() if file.name.startswith(head))


def place_of(name: str, folders: Sequence[str]) -> str:
    """Return the path of a new file, given the folders of adapters and GGUF files; the card is the archive's, too."""
    if name == CARD:
        return name
    lora, gguf = folders
    folder = gguf if name.lower().endswith(".gguf") else lora
    return f"{folder}/{name}" if folder else name
