"""A run's record on disk: what the service is still to be told of it, if need be by a later run."""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import Any, Iterator

from tunedeck_client.file_locks import find_lock, open_lock, try_lock
from tunedeck_client.json_objects import read_object, write_object
from tunedeck_client.shipping.folder import host_id, new_name

RUNS = "runs"

_RECORD, _LOCK = "run.json", "lock"


class RunRecord:
    """A folder below `runs` of a state folder: locked while its run lives, deleted once all is told.

    `content` has `job` (its id, or null), `new` and `key` (to create it), `kernel`, and `end` (its status and
    error, or null while the command runs). One without a lock lasts as long as the process.
    """

    def __init__(self, path: str, lock: int | None, content: dict[str, Any]) -> None:
        self.path = path
        self.content = content
        self._lock = lock

    @property
    def is_kept(self) -> bool:
        """Whether a later run can go by it."""
        return self._lock is not None

    @property
    def spool_folder(self) -> str:
        """The folder, relative to the state folder, where lines of a job wait that is yet to be created."""
        return os.path.join(RUNS, os.path.basename(self.path), "lines")

    def write(self, **changes: Any) -> None:
        """Change the content, on disk where that takes it."""
        self.content.update(changes)
        write_object(os.path.join(self.path, _RECORD), self.content)

    def delete(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        self.release()

    def release(self) -> None:
        """Leave it to the next run."""
        if self._lock is not None:
            with contextlib.suppress(OSError):
                os.close(self._lock)


def new_record(state_folders: list[str], content: dict[str, Any]) -> RunRecord:
    """Make a record in the first folder that takes it; where none does, it is not kept."""
    for folder in state_folders:
        path = os.path.join(folder, RUNS, f"{new_name()}@{host_id()}")
        with contextlib.suppress(OSError):
            os.makedirs(path, mode=0o700)
            lock = open_lock(os.path.join(path, _LOCK))
            try_lock(lock)
            record = RunRecord(path, lock, content)
            record.write()
            return record
    return RunRecord(path, None, content)


def is_running_here(state_folders: list[str], job_id: int) -> bool:
    """Whether a living run on this machine has the job."""
    for path in _paths(state_folders):
        if (_read(path) or {}).get("job") == job_id:
            record = _lock(path)
            if record is None:
                return True
            record.release()
    return False


def left_records(state_folders: list[str]) -> Iterator[RunRecord]:
    """Yield the records that dead runs on this machine have left, the oldest first, each locked."""
    for path in _paths(state_folders):
        record = _lock(path)
        if record is not None:
            yield record


def _paths(state_folders: list[str]) -> list[str]:
    paths = []
    for folder in state_folders:
        with contextlib.suppress(OSError):
            runs = os.path.join(folder, RUNS)
            names = sorted(name for name in os.listdir(runs) if name.endswith(f"@{host_id()}"))
            paths += [os.path.join(runs, name) for name in names]
    return paths


def _lock(path: str) -> RunRecord | None:
    with contextlib.suppress(OSError):
        lock = find_lock(os.path.join(path, _LOCK))
        content = _read(path) if try_lock(lock) else None
        if content is not None:
            return RunRecord(path, lock, content)
        os.close(lock)
    return None


def _read(path: str) -> dict[str, Any] | None:
    content = read_object(os.path.join(path, _RECORD)) or {}
    return content if {"job", "new", "key", "kernel", "end"} <= set(content) else None
