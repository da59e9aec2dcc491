"""A process's folder in the spool: locked while the process lives, then adopted by exactly one other."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import tempfile
import time
import uuid
from hashlib import sha256

from tunedeck_client.file_locks import find_lock, open_lock, try_lock

_LOCK = "lock"


def new_name() -> str:
    """Return a globally unique name that sorts by time."""
    return f"{time.time_ns():020d}-{uuid.uuid4().hex[:12]}"


def host_id() -> str:
    """Return what tells this machine or container from others, the same after it starts again.

    A lock may hold within one machine only (BeeGFS, Lustre, NFS with local_lock): nobody adopts what another
    host left.
    """
    machine = ""
    with contextlib.suppress(OSError, ValueError), open("/etc/machine-id", encoding="ascii") as file:
        machine = file.read()
    return sha256(f"{socket.gethostname()} {machine}".encode("utf-8", "replace")).hexdigest()[:8]


class OwnFolder:
    """This process's folder below `root`, named for the host; raises OSError where it cannot be made."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._host = host_id()
        self.name = f"{new_name()}@{self._host}"
        self.path = os.path.join(root, self.name)
        os.makedirs(root, mode=0o700, exist_ok=True)
        # Made hidden and renamed once it is locked: nobody can take it for a dead process's.
        hidden = tempfile.mkdtemp(prefix=".new-", dir=root)
        self._lock: int | None = open_lock(os.path.join(hidden, _LOCK))
        try_lock(self._lock)
        if sys.platform == "win32":
            self.forget()  # Windows renames no folder that holds an open file
        os.rename(hidden, self.path)

    def adopt(self) -> list[str]:
        """Move the files of dead processes here and return their new paths, oldest first."""
        adopted: list[str] = []
        with contextlib.suppress(OSError):
            for name in sorted(os.listdir(self.root)):
                if name != self.name and name.endswith(f"@{self._host}"):
                    adopted += self._adopt_from(os.path.join(self.root, name))
        return adopted

    def _adopt_from(self, folder: str) -> list[str]:
        try:
            lock = find_lock(os.path.join(folder, _LOCK))
        except OSError:
            with contextlib.suppress(OSError):
                os.rmdir(folder)  # empty and without a lock file: its adopter died between the last two steps
            return []
        moved = []
        try:
            if try_lock(lock):
                for name in sorted(os.listdir(folder)):
                    if name != _LOCK:
                        os.rename(os.path.join(folder, name), os.path.join(self.path, name))
                        moved.append(os.path.join(self.path, name))
                os.unlink(os.path.join(folder, _LOCK))
                os.rmdir(folder)
        except OSError:
            pass  # another adopter was faster, or the disk fails: what was moved is ours
        finally:
            os.close(lock)
        return moved

    def release(self) -> None:
        """Unlock the folder for the next process to adopt; remove it if it is empty."""
        with contextlib.suppress(OSError):
            if os.listdir(self.path) == [_LOCK]:
                os.unlink(os.path.join(self.path, _LOCK))
                os.rmdir(self.path)
        self.forget()

    def forget(self) -> None:
        """Close our descriptor of the lock; of a forked child's two, the parent's still holds it."""
        if self._lock is not None:
            with contextlib.suppress(OSError):
                os.close(self._lock)
            self._lock = None
