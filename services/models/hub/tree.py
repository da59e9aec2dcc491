"""What the Hub API shows of files and folders, in git's and LFS' terms."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

from services.models.hub.errors import EntryNotFound
from services.models.hub.snapshot import RepoFile, Snapshot, files_below
from services.models.paths import parents
from shared.pacing import yielding

PAGE = 1000


def show_file(file: RepoFile) -> dict[str, Any]:
    """Return a file as one of LFS: a blob that is a pointer, with the content's SHA-256 and size in it."""
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{file.sha256}\nsize {file.size}\n".encode()
    return {
        "type": "file",
        "oid": hashlib.sha1(b"blob %d\0%b" % (len(pointer), pointer), usedforsecurity=False).hexdigest(),
        "size": file.size,
        "path": file.name,
        "lfs": {"oid": file.sha256, "size": file.size, "pointerSize": len(pointer)},
    }


def list_tree(
    snapshot: Snapshot, folder: str, *, recursive: bool, after: str = ""
) -> tuple[list[dict[str, Any]], str | None]:
    """Return a page of what lies in a folder, by path, after ``after``, and after what the next one begins, if any.

    Unless ``recursive``, a folder stands for all that is below it. Raises EntryNotFound where there is no such folder.
    """
    if folder and not any(files_below(snapshot, folder)):
        raise EntryNotFound(f"There is no folder {folder}.", snapshot.sha)
    entries = sorted(set(_paths_in(snapshot, folder, recursive=recursive)))
    page = [path for path in yielding(entries) if path > after][: PAGE + 1]
    shown = [_show(path, snapshot) for path in page[:PAGE]]
    return shown, page[PAGE - 1] if len(page) > PAGE else None


def _paths_in(snapshot: Snapshot, folder: str, *, recursive: bool) -> Iterator[str]:
    depth = folder.count("/") + 1 if folder else 0
    for file in yielding(files_below(snapshot, folder)):
        steps = [*parents(file.name), file.name][depth:]
        yield from steps if recursive else steps[:1]


def _show(path: str, snapshot: Snapshot) -> dict[str, Any]:
    file = snapshot.files.get(path)
    if file is not None:
        return show_file(file)
    # Git would hash what is in the folder; nobody asks for more than that it changes with the commit.
    oid = hashlib.sha1(f"{snapshot.sha} {path}".encode(), usedforsecurity=False).hexdigest()
    return {"type": "directory", "oid": oid, "size": 0, "path": path}


def show_paths(snapshot: Snapshot, paths: Iterable[str]) -> list[dict[str, Any]]:
    """Return those of the paths that are there, files and folders."""
    wanted = yielding([path.rstrip("/") for path in paths])
    return [_show(path, snapshot) for path in wanted if path in snapshot.files or any(files_below(snapshot, path))]
