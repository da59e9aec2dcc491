"""A process's own folder in the spool: locked while the process lives, then adopted by exactly one other."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
import uuid

if sys.platform != "win32":
    import fcntl

_LOCK = "lock"


def new_name() -> str:
    """A name that is unique everywhere and sorts by time."""
    return f"{time.time_ns():020d}-{uuid.uuid4().hex[:12]}"


class OwnFolder:
    """This process's folder under `root`. OSError where it cannot be made."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.name = new_name()
        self.path = os.path.join(root, self.name)
        os.makedirs(root, mode=0o700, exist_ok=True)
        # Under its real name the folder is locked from the first moment: nobody can take it for a dead one's.
        hidden = tempfile.mkdtemp(prefix=".new-", dir=root)
        self._lock: int | None = os.open(os.path.join(hidden, _LOCK), os.O_RDWR | os.O_CREAT, 0o600)
        _try_lock(self._lock)
        if sys.platform == "win32":
            self.forget()  # Windows renames no folder with an open file in it
        os.rename(hidden, self.path)

    def adopt(self) -> list[str]:
        """Move the files of dead processes here; their new paths, oldest first."""
        adopted: list[str] = []
        with contextlib.suppress(OSError):
            for name in sorted(os.listdir(self.root)):
                if name != self.name and not name.startswith("."):
                    adopted += self._adopt_from(os.path.join(self.root, name))
        return adopted

    def _adopt_from(self, folder: str) -> list[str]:
        try:
            lock = os.open(os.path.join(folder, _LOCK), os.O_RDWR)
        except OSError:
            with contextlib.suppress(OSError):
                os.rmdir(folder)  # empty and without a lock: its adopter died between the two last steps
            return []
        moved = []
        try:
            if _try_lock(lock):
                for name in sorted(os.listdir(folder)):
                    if name != _LOCK:
                        os.rename(os.path.join(folder, name), os.path.join(self.path, name))
                        moved.append(os.path.join(self.path, name))
                os.unlink(os.path.join(folder, _LOCK))
                os.rmdir(folder)
        except OSError:
            pass  # another adopter was faster, or the disk fails: what was moved is ours all the same
        finally:
            os.close(lock)
        return moved

    def release(self) -> None:
        """Give the folder up: gone if it is empty, else for the next process to adopt."""
        with contextlib.suppress(OSError):
            if os.listdir(self.path) == [_LOCK]:
                os.unlink(os.path.join(self.path, _LOCK))
                os.rmdir(self.path)
        self.forget()

    def forget(self) -> None:
        """Close the lock and leave all as it is; in a forked child the parent still holds its lock."""
        if self._lock is not None:
            with contextlib.suppress(OSError):
                os.close(self._lock)
            self._lock = None


def _try_lock(descriptor: int) -> bool:
    if sys.platform != "win32":  # there nobody can tell a dead process's folder, so none is adopted
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    return False
