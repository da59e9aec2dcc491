"""Which tests one of pytest-xdist's workers runs together, and which come first."""

from __future__ import annotations

from xdist.scheduler import LoadFileScheduling

_SHARING = ("models/api", "evaluations/api", "logs/api", "shared/auth", "models/hub", "gateway")
"""Folders whose files use the same servers, the longest first."""


class Scheduler(LoadFileScheduling):
    """Gives a file to one worker, and all files of a folder that shares servers: each worker starts its own servers."""

    def _split_scope(self, nodeid: str) -> str:
        shared = _shared_folder(nodeid)
        return shared or super()._split_scope(nodeid)


def place(nodeid: str) -> int:
    """Return where a test belongs: what takes a worker long is begun first, or the others wait for it in the end."""
    shared = _shared_folder(nodeid)
    return len(_SHARING) if shared is None else _SHARING.index(shared)


def _shared_folder(nodeid: str) -> str | None:
    return next((folder for folder in _SHARING if nodeid.startswith(f"tests/{folder}/")), None)
