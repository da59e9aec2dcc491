"""Where the files of a commit belong, by the names that they have in the repository."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.models.hub.commit_lines import Commit
from services.models.hub.errors import EntryNotFound
from services.models.hub.snapshot import Snapshot, files_below, place_of
from services.models.paths import fold, parents
from services.models.records.display_names import name_files
from shared.errors import Conflict


@dataclass(frozen=True)
class Change:
    """What a commit does to a model's objects, by their paths below its storage path."""

    contents: dict[str, bytes]
    checksums: dict[str, str]
    deleted: list[str]

    @property
    def paths(self) -> list[str]:
        """All that it writes."""
        return [*self.contents, *self.checksums]

    @property
    def is_empty(self) -> bool:
        return not (self.contents or self.checksums or self.deleted)


def plan_change(folders: Sequence[str], commit: Commit, before: Snapshot, stored: Iterable[str]) -> Change:
    """Return what a commit does to the ``stored`` paths, of a model with these folders of adapters and GGUF files.

    Raises EntryNotFound (a deletion of what is not there) and Conflict (paths that no file system holds together).
    """
    there = list(stored)
    paths = {name: path for path, name in name_files(there, folders).items()}
    contents = {_path_of(name, paths, folders): content for name, content in commit.contents.items()}
    checksums = {_path_of(name, paths, folders): checksum for name, checksum in commit.checksums.items()}
    deleted = {paths[name] for name in _deleted_names(commit, before) if name in paths}
    written = contents.keys() | checksums.keys()
    _require_no_clash(sorted(written), {*there, *written} - (deleted - written))
    return Change(contents, checksums, sorted(deleted - written))


def _path_of(name: str, paths: Mapping[str, str], folders: Sequence[str]) -> str:
    """A file that is there keeps its place."""
    return paths[name] if name in paths else place_of(name, folders)


def _deleted_names(commit: Commit, before: Snapshot) -> set[str]:
    """Also that of the generated card: clients delete whatever is listed."""
    names: set[str] = set()
    for name in commit.deleted_files:
        if name not in before.files:
            raise EntryNotFound(f"A file with this name doesn't exist: {name}", before.sha)
        names.add(name)
    for folder in commit.deleted_folders:
        below = {file.name for file in files_below(before, folder)}
        if not below:
            raise EntryNotFound(f"A folder with this name doesn't exist: {folder}", before.sha)
        names |= below
    return names


def _require_no_clash(written: Iterable[str], paths: Iterable[str]) -> None:
    """As ``require_no_clash`` does for one file and the table."""
    by_folded: dict[str, str] = {}
    folders: dict[str, str] = {}
    for path in paths:
        folded = fold(path)
        other = by_folded.setdefault(folded, path)
        if other != path:
            raise Conflict(f"{path} cannot lie beside {other}.")
        folders |= dict.fromkeys(parents(folded), path)
    for path in written:
        above = [by_folded[folder] for folder in parents(fold(path)) if folder in by_folded]
        other = folders.get(fold(path)) or next(iter(above), "")
        if other:
            raise Conflict(f"{path} cannot lie beside {other}.")
