"""A model's archive: what goes into it, and its stream, opened before the answer begins."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain

import gevent
from isal import isal_zlib

from services.models import files, records
from services.models.archive import Entry, stream_zip
from services.models.generated import SUMS, checksum_lines
from services.models.manifest import is_included
from services.models.paths import archive_names, fold
from services.models.tables import File, Model
from shared.errors import Conflict, NotFound
from shared.store import ObjectChanged, ObjectMissing, Store


@dataclass(frozen=True)
class Archive:
    """A model's archive before any of it is read."""

    model: Model
    entries: list[Entry]

    @property
    def filename(self) -> str:
        return f"model-{self.model.id}-{self.model.created_at:%Y%m%d}.zip"


def plan_archive(store: Store, model_id: int, include: str | None) -> Archive:
    """Return the archive of a ready model, or of what ``include`` (a path below its storage path) names.

    Raises NotFound (no such model, no files, nothing included) and Conflict (not ready, or a file is known to be
    missing or another by now).
    """
    model = records.find_model(model_id)
    if model.status != "ready":
        raise Conflict(f"Model {model_id} is {model.status}, not ready.")
    rows = files.first_files(model_id, limit=None)
    if not rows:
        raise NotFound(f"Model {model_id} has no files.")
    documents = _documents(model, rows)
    names = archive_names(chain((row.path for row in rows), documents))
    included = [row for row in rows if is_included(row.path, include)]
    for row in included:
        if row.error is not None:  # the checksum process found it missing or changed; perhaps it is back
            _require_object(store, model, row)
    entries = [
        Entry(f"{model.id}/{names[row.path]}", row.size, row.crc32, partial(_read_object, store, model, row))
        for row in included
    ]
    entries += [
        _text_entry(f"{model.id}/{names[path]}", text) for path, text in documents.items() if is_included(path, include)
    ]
    if not entries:
        raise NotFound(f"Model {model_id} has no file {include}.")
    return Archive(model, entries)


def open_archive(archive: Archive) -> Iterator[bytes]:
    """Return the archive's bytes with its first file open already.

    Raises Conflict (the first file is missing or another by now) and Unavailable here; later errors come out of
    the iterator, and the connection must break with them.
    """
    stream = stream_zip(archive.entries, archive.model.created_at)
    return _paced(next(stream), stream)


def _paced(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    for chunk in chain((first,), rest):
        yield chunk
        # A client that reads fast would keep the worker's other requests waiting.
        gevent.sleep(0)


def _documents(model: Model, rows: list[File]) -> dict[str, str]:
    """What was made at freezing, and the list of checksums once all are known, unless the store has its own."""
    documents = files.generated_documents(model.id)
    known = [(row.path, row.sha256) for row in rows if row.sha256 is not None]
    if len(known) < len(rows) or any(row.folded == fold(SUMS) for row in rows):
        return documents
    names = archive_names(chain((row.path for row in rows), documents, (SUMS,)))
    sums = [(names[path], sha256) for path, sha256 in known]
    sums += [(names[path], hashlib.sha256(text.encode()).hexdigest()) for path, text in documents.items()]
    return {**documents, SUMS: checksum_lines(sums)}


def _text_entry(name: str, text: str) -> Entry:
    data = text.encode()
    return Entry(name, len(data), isal_zlib.crc32(data), lambda: (data,))


def _read_object(store: Store, model: Model, row: File) -> Iterator[bytes]:
    if row.size == 0:  # S3 has no empty range, so there is nothing to open
        _require_object(store, model, row)
        return
    try:
        yield from store.chunks(f"{model.storage_path}/{row.path}", etag=row.etag)
    except ObjectMissing as error:
        raise _missing(row) from error


def _require_object(store: Store, model: Model, row: File) -> None:
    try:
        found = store.stat(f"{model.storage_path}/{row.path}")
    except ObjectMissing as error:
        raise _missing(row) from error
    if found.etag != row.etag:
        raise ObjectChanged(f"The stored object of {row.path} is not the one that was recorded.")


def _missing(row: File) -> Conflict:
    return Conflict(f"The stored object of {row.path} is missing.")
