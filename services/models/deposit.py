"""Puts a file that streams in both into the store and on record, and takes one out of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from services.models import files
from services.models.files import Held, hold
from services.models.incoming import Incoming
from shared.errors import NotFound, ServiceError
from shared.store import ObjectMissing, Store


@dataclass(frozen=True)
class Deposited:
    """What was stored; ``size`` in bytes."""

    path: str
    size: int
    crc32: int | None
    sha256: str | None


def put_file(store: Store, model_id: int, path: str, body: Incoming) -> Deposited:
    """Stream ``body`` to the store and record it; on any error neither store nor record has it.

    Of two uploads of one path that run side by side both succeed, and the one whose object the store kept is on
    record. Raises what ``files.hold`` and ``Incoming`` raise, and Unavailable.
    """
    with hold(model_id, path) as held:
        files.check_path(model_id, path)
        body.before_read = held.check
        etag = store.put(held.key, body)
        try:
            record(store, held, size=body.size, etag=etag, crc32=body.crc32, sha256=body.sha256)
        except ServiceError:
            _undo(store, held, etag)
            raise
    return Deposited(path, body.size, body.crc32, body.sha256)


def record(store: Store, held: Held, *, etag: str, **known: Any) -> bool:
    """Record an object that was just stored, and what is ``known`` of it.

    False where another upload of the path, or its removal, came after this one, and nothing is done.
    """
    while True:
        revision = files.files_revision(held.model_id)
        if not is_stored(store, held.key, etag):
            return False
        if files.record_file(held, revision, etag=etag, **known):
            return True


def _undo(store: Store, held: Held, etag: str) -> None:
    if is_stored(store, held.key, etag):
        store.remove(held.key)


def is_stored(store: Store, key: str, etag: str) -> bool:
    """Say whether the store has the object, and with that etag."""
    try:
        return store.stat(key).etag == etag
    except ObjectMissing:
        return False


def remove_file(store: Store, model_id: int, path: str) -> None:
    """Delete the object and its record; NotFound where there is neither."""
    with hold(model_id, path) as held:
        there = _exists(store, held.key)
        store.remove(held.key)
        if not files.forget_file(held) and not there:
            raise NotFound(f"Model {model_id} has no file {path}.")


def _exists(store: Store, key: str) -> bool:
    try:
        store.stat(key)
    except ObjectMissing:
        return False
    return True
