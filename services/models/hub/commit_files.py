"""Puts the content of a commit where it belongs: what came with it, and copies of what is in the store."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from isal import isal_zlib

from services.models.files.parts import join_parts
from services.models.files.staged_objects import move_to_staging, staging_key
from services.models.hub.commit_names import Change
from services.models.records.manifest import ManifestFile
from services.models.tables import Model, StagedObject
from shared.errors import Unprocessable
from shared.s3.bucket import Bucket

_AT_ONCE = 3


def place_contents(
    bucket: Bucket,
    model: Model,
    change: Change,
    rows: Mapping[str, ManifestFile],
    staged: Mapping[str, StagedObject],
    check: Callable[[], None],
) -> list[ManifestFile]:
    """Write a change's contents and return their rows; what is in its place already stays.

    ``check`` is called before each and may raise. Raises Unprocessable for a checksum that nothing has.
    """
    waiting = _leave_wrong_places(bucket, model, change, staged)
    sources = _find_sources(bucket, model, change, rows, staged)

    def join(path: str) -> None:
        check()
        row, present = staged[change.checksums[path]], rows.get(path)
        is_there = present is not None and present.known_sha256 == row.sha256
        etag = present.etag if present is not None and is_there else join_parts(bucket, row, row.parts)
        source = sources[row.sha256]
        sources[row.sha256] = source._replace(row=source.row._replace(etag=etag))

    def put(path: str) -> ManifestFile:
        check()
        content, present = change.contents[path], rows.get(path)
        sha256 = hashlib.sha256(content).hexdigest()
        if present is not None and (present.size, present.sha256) == (len(content), sha256):
            return present
        etag = bucket.put(f"{model.storage_path}/{path}", io.BytesIO(content))
        return ManifestFile(path, len(content), etag, isal_zlib.crc32(content), sha256)

    def copy(path: str) -> ManifestFile:
        check()
        (source, row), present = sources[change.checksums[path]], rows.get(path)
        if present is not None and present.known_sha256 == row.known_sha256:
            return present
        key = f"{model.storage_path}/{path}"
        etag = row.etag if source == key else bucket.copy(source, key, size=row.size, etag=row.etag)
        return row._replace(path=path, etag=etag)

    # What replaces nothing comes first: a replaced file is unreadable from then on to the commit's end.
    def is_replaced(path: str) -> bool:
        return path in rows

    with ThreadPoolExecutor(_AT_ONCE) as senders:
        list(senders.map(join, waiting))
        copied = senders.map(copy, sorted(change.checksums, key=is_replaced))
        return [*senders.map(put, sorted(change.contents, key=is_replaced)), *copied]


def _leave_wrong_places(bucket: Bucket, model: Model, change: Change, staged: Mapping[str, StagedObject]) -> list[str]:
    """Return the paths where parts wait to be put together; content that waits for another path is taken from there."""
    start = len(model.storage_path) + 1
    waiting = [(row.key[start:], row) for row in staged.values() if row.etag is None]
    for path, row in waiting:
        if change.checksums.get(path) != row.sha256:
            move_to_staging(bucket, row)
    return [path for path, row in waiting if row.etag is None]


class _Source(NamedTuple):
    """An object that has the content of a checksum, and what is known of it."""

    key: str
    row: ManifestFile


def _find_sources(
    bucket: Bucket,
    model: Model,
    change: Change,
    rows: Mapping[str, ManifestFile],
    staged: Mapping[str, StagedObject],
) -> dict[str, _Source]:
    """Return where the content of each checksum is: staged, or a file of the model."""
    present = {row.known_sha256: row for row in rows.values()}
    sources = {}
    for path, sha256 in change.checksums.items():
        if sha256 in staged:
            whole = staged[sha256]
            row = ManifestFile(path, whole.size, whole.etag or "", announced_sha256=sha256)
            sources[sha256] = _Source(whole.key, row)
        elif sha256 in present:
            sources[sha256] = _keep(bucket, model, present[sha256], change)
        else:
            raise Unprocessable.field("oid", f"The content of {path} was not uploaded: {sha256}.")
    return sources


def _keep(bucket: Bucket, model: Model, row: ManifestFile, change: Change) -> _Source:
    """Return a file of the model as a source; a copy of one that the change itself replaces."""
    key = f"{model.storage_path}/{row.path}"
    is_replaced = row.path in change.contents or change.checksums.get(row.path, row.known_sha256) != row.known_sha256
    if not is_replaced:
        return _Source(key, row)
    kept = staging_key(model.id, str(row.known_sha256))
    return _Source(kept, row._replace(etag=bucket.copy(key, kept, size=row.size, etag=row.etag)))
