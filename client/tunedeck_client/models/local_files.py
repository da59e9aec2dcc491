"""The files of a folder that become a model's, without what only a resumed training needs."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from fnmatch import fnmatchcase
from typing import Any, BinaryIO, Iterator, NamedTuple

from tunedeck_client.errors import BadFolder, blaming
from tunedeck_client.models.checksum import sha256_of
from tunedeck_client.models.paths import composed, folded, path_problem

STATE = ("optimizer.pt", "scheduler.pt", "rng_state*", "runs", "checkpoint-*")
"""Names of files and folders that only a resumed training needs."""

FOLDERS = ("lora_adapters", "gguf")


class LocalFile(NamedTuple):
    """A file as it was when the folder was listed; `path` is the one that it gets in the model."""

    path: str
    source: str
    size: int
    mtime_ns: int

    @contextlib.contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open the file for a block; BadFolder where it is not what was listed, or cannot be read."""
        with blaming(self.source), open(self.source, "rb") as file:
            self.require_same(file)
            yield file

    def require_same(self, file: BinaryIO) -> None:
        """Raise BadFolder where the open file was changed since it was listed."""
        now = os.fstat(file.fileno())
        if (now.st_size, now.st_mtime_ns) != (self.size, self.mtime_ns):
            raise BadFolder(f"{self.source} changed while it was uploaded")

    def digest(self) -> str:
        """Return the SHA-256 of the content, in hexadecimal digits."""
        with self.open() as file:
            found = sha256_of(file)
            self.require_same(file)
        return found


def list_files(folder: str, *, include_state: bool = False) -> list[LocalFile]:
    """Return the files to upload, by path; BadFolder where there is none or a name is impossible.

    Hidden files and folders are left out, and without `include_state` what only a resumed training needs. A
    link to a file is that file, one to a folder is not followed. `.gguf` goes to `gguf/`, all else to
    `lora_adapters/`, unless it lies in a folder of that name already.
    """
    if not os.path.isdir(folder):
        raise BadFolder(f"{folder} is no folder")
    found = []
    for relative in sorted(_walk(folder, include_state)):
        source = os.path.join(folder, *relative.split("/"))
        path = _path_in_model(relative)
        problem = path_problem(path)
        if problem is not None:
            raise BadFolder(f"{_shown(source)}: {problem}")
        found.append(_local_file(source, path))
    _require_no_clash(found)
    if not found:
        raise BadFolder(f"{folder} holds no file to upload")
    return found


def _walk(folder: str, include_state: bool) -> Iterator[str]:
    def fail(error: OSError) -> None:
        raise BadFolder(f"{_shown(str(error.filename))}: {error.strerror}") from error

    for place, folders, files in os.walk(folder, onerror=fail):
        folders[:] = [name for name in folders if _is_wanted(name, include_state)]
        below = os.path.relpath(place, folder).replace(os.sep, "/")
        for name in files:
            if _is_wanted(name, include_state):
                yield name if below == "." else f"{below}/{name}"


def _is_wanted(name: str, include_state: bool) -> bool:
    if name.startswith("."):
        return False
    return include_state or not any(fnmatchcase(name, pattern) for pattern in STATE)


def _path_in_model(relative: str) -> str:
    if relative.split("/")[0] in FOLDERS and "/" in relative:
        return composed(relative)
    return composed(f"{'gguf' if relative.lower().endswith('.gguf') else 'lora_adapters'}/{relative}")


def _local_file(source: str, path: str) -> LocalFile:
    with blaming(source):
        found = os.stat(source)
    if not stat.S_ISREG(found.st_mode):
        raise BadFolder(f"{source} is no regular file")
    return LocalFile(path, source, found.st_size, found.st_mtime_ns)


def _require_no_clash(files: list[LocalFile]) -> None:
    taken: dict[str, str] = {}
    for file in files:
        other = taken.setdefault(folded(file.path), file.source)
        if other != file.source:
            raise BadFolder(f"{file.source} and {other} are one file on some file systems")


def _shown(path: str) -> str:
    """The path with what cannot be printed escaped."""
    return path.encode("utf-8", "backslashreplace").decode()


def base_model_of(folder: str) -> str | None:
    """Return the base model that a PEFT folder's `adapter_config.json` names, or None."""
    for place in (folder, os.path.join(folder, FOLDERS[0])):
        try:
            with open(os.path.join(place, "adapter_config.json"), encoding="utf-8") as file:
                config: Any = json.load(file)
        except FileNotFoundError:
            continue
        except (OSError, ValueError, RecursionError) as error:
            raise BadFolder(f"{place}/adapter_config.json cannot be read: {error}") from error
        named = config.get("base_model_name_or_path") if isinstance(config, dict) else None
        if isinstance(named, str) and named:
            return named
    return None
