"""Copies of the store's objects in a folder, each once: another backup into the same folder copies what is new."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from shared.s3.bucket import Bucket
from shared.s3.errors import ObjectChanged, ObjectMissing


class ObjectCopy(NamedTuple):
    """An object that a backup has: its place in the store, what it was there, and the SHA-256 of its bytes."""

    bucket: str
    key: str
    size: int
    etag: str
    sha256: str


class CopyDiffers(Exception):
    """The bytes are not those that were recorded."""


def copy_object(bucket: Bucket, folder: Path, key: str, size: int, etag: str, sha256: str | None) -> ObjectCopy | None:
    """Copy an object, unless an earlier backup did, and return the copy; None where it is gone or another one now.

    Raises CopyDiffers where its bytes have another ``sha256``, and Unavailable.
    """
    path = folder / _name(bucket.name, key, etag)
    if not (path.exists() and path.stat().st_size == size):
        draft = path.with_suffix(".draft")
        try:
            with draft.open("wb") as file:
                for chunk in bucket.chunks(key, etag=etag):
                    file.write(chunk)
        except (ObjectMissing, ObjectChanged):
            draft.unlink(missing_ok=True)
            return None
        draft.replace(path)
    found = file_sha256(path)
    if path.stat().st_size != size or sha256 not in (None, found):
        path.unlink()
        raise CopyDiffers(f"{bucket.name}/{key} is not what was recorded of it")
    return ObjectCopy(bucket.name, key, size, etag, found)


def put_back(bucket: Bucket, folder: Path, copy: ObjectCopy) -> str:
    """Put a copy into the store, unless it is there, and return the etag that it has now."""
    path = folder / _name(copy.bucket, copy.key, copy.etag)
    if not path.exists() or file_sha256(path) != copy.sha256:
        raise CopyDiffers(f"the backup's copy of {copy.bucket}/{copy.key} is damaged")
    if bucket.has(copy.key, copy.etag):
        return copy.etag
    with path.open("rb") as file:
        return bucket.put(copy.key, file)


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def drop_others(folder: Path, copies: list[ObjectCopy]) -> Iterator[str]:
    """Remove what no copy of the present backup names; yields the names."""
    kept = {_name(copy.bucket, copy.key, copy.etag) for copy in copies}
    for path in folder.iterdir():
        if path.name not in kept:
            path.unlink()
            yield path.name


def _name(bucket: str, key: str, etag: str) -> str:
    # Not the key itself: some are no file names everywhere.
    return hashlib.sha256(f"{bucket}\0{key}\0{etag}".encode()).hexdigest()
