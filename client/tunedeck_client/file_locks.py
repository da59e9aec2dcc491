"""Locks of files (flock), by which a process knows that another one lives; a kill lets go of them."""

from __future__ import annotations

import os
import sys

if sys.platform != "win32":
    import fcntl


def open_lock(path: str) -> int:
    """Open a lock file, which is made where there is none; raises OSError."""
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def find_lock(path: str) -> int:
    """Open a lock file that is there; raises OSError. One made in a folder being deleted would keep it."""
    return os.open(path, os.O_RDWR)


def try_lock(descriptor: int) -> bool | None:
    """Lock a file until its descriptor is closed; False where a living process has it, None without locks."""
    if sys.platform == "win32":  # which has no flock to tell a dead process's files
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True
