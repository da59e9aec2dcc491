"""A file of a revision, once it is known to be what its sender said."""

from __future__ import annotations

import time

import gevent

from services.models.files.file_records import find_file, require_trusted
from services.models.hub.errors import EntryNotFound, RevisionNotFound
from services.models.hub.snapshot import RepoFile, Snapshot
from services.models.tables import Model
from shared.errors import Unavailable

MAIN = "main"

PATIENCE_S = 8.0
"""The Hub's clients wait ten seconds for an answer and mostly do not ask again: a push may just be being verified."""

_LOOK_EVERY_S = 0.25


_MAIN_SPELLINGS = (MAIN, f"refs/heads/{MAIN}")


def require_branch(revision: str) -> None:
    """Raise RevisionNotFound unless ``revision`` is the one branch that there is to push to."""
    if revision not in _MAIN_SPELLINGS:
        raise RevisionNotFound(f"There is no branch {revision}; there is {MAIN}.")


def require_revision(snapshot: Snapshot, revision: str) -> None:
    """Raise RevisionNotFound unless ``revision`` names the snapshot; an earlier one is gone."""
    if revision not in (*_MAIN_SPELLINGS, snapshot.sha):
        raise RevisionNotFound(f"There is no revision {revision}; there are {MAIN} and {snapshot.sha}.")


def resolve(model: Model, snapshot: Snapshot, name: str) -> RepoFile:
    """Return a file by its name in the repository.

    Raises EntryNotFound, Conflict (it is known to be wrong) and Unavailable (it is still being verified).
    """
    file = snapshot.files.get(name)
    if file is None:
        raise EntryNotFound(f"There is no file {name} in {model.repo_id}.", snapshot.sha)
    if file.text is None:
        _wait_until_trusted(model.id, file.path)
    return file


def _wait_until_trusted(model_id: int, path: str) -> None:
    gives_up_at = time.monotonic() + PATIENCE_S
    while True:
        try:
            return require_trusted(find_file(model_id, path)[1])
        except Unavailable:
            if time.monotonic() > gives_up_at:
                raise
            gevent.sleep(_LOOK_EVERY_S)
