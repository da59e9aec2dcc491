"""The objects of a bucket as they are listed and read: a read never gives bytes that were not asked for."""

from __future__ import annotations

import base64
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import urllib3

from shared.errors import Unavailable
from shared.s3.client import S3Client
from shared.s3.errors import RETRY_AFTER_S, ObjectMissing, translated

CHUNK_BYTES = 256 * 1024
_MAX_CHUNK_BYTES = 4 * CHUNK_BYTES
_CHUNKS_BYTES = 16 * CHUNK_BYTES
"""What one read of each open object may bring together: larger chunks are faster, and make others wait longer."""


@dataclass(frozen=True)
class ObjectInfo:
    """An object as the store lists it; ``size`` in bytes, ``etag`` without quotes."""

    key: str
    size: int
    etag: str
    crc32: int | None = None
    """Of the whole object; only ``stat`` tells it, and only where the store keeps one."""


class ReadableBucket:
    """Lists and reads the objects of the bucket ``name``."""

    def __init__(self, client: S3Client, name: str) -> None:
        self.client = client
        self.name = name
        self._reading = 0

    def stat(self, key: str) -> ObjectInfo:
        """Return what the store knows of an object, or raise ObjectMissing."""
        with translated():
            found = self.client.stat_object(
                bucket_name=self.name, object_name=key, extra_headers={"x-amz-checksum-mode": "ENABLED"}
            )
        return replace(_info(found), crc32=_whole_crc32(found.metadata or {}))

    def has(self, key: str, etag: str | None = None) -> bool:
        """Say whether there is such an object, with that etag if one is given."""
        try:
            return self.stat(key).etag == etag or etag is None
        except ObjectMissing:
            return False

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield the objects below ``prefix``, which ends in ``/`` or is empty (``1/`` never sees ``10/…``)."""
        with translated():
            for found in self.client.list_objects(bucket_name=self.name, prefix=prefix, recursive=True):
                yield _info(found)

    @contextmanager
    def open(
        self, key: str, *, offset: int = 0, length: int | None = None, etag: str | None = None
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """Give the raw response with bytes ``offset`` to ``offset + length`` of the object that has that etag.

        Raises ObjectMissing, ObjectChanged, or Unavailable. A ``length`` of 0 is not for S3: it has no empty range.
        """
        headers: dict[str, str | list[str] | tuple[str]] = {} if etag is None else {"If-Match": f'"{etag}"'}
        with translated():
            response = self.client.get_object(
                bucket_name=self.name,
                object_name=key,
                offset=offset,
                length=length or 0,
                request_headers=headers,
            )
        try:
            # minio-py does not look: a store that ignores Range sends the whole object with a 200.
            if (offset or length) and not _is_range(response, offset, length):
                raise Unavailable("The store ignored the byte range.", retry_after=RETRY_AFTER_S)
            yield response
        finally:
            response.close()
            response.release_conn()

    def chunks(
        self, key: str, *, offset: int = 0, length: int | None = None, etag: str | None = None
    ) -> Generator[bytes]:
        """Yield the bytes that ``open`` would read; raises Unavailable where the connection breaks midway."""
        with self.open(key, offset=offset, length=length, etag=etag) as response, translated():
            self._reading += 1
            try:
                # decode_content: an object stored with Content-Encoding: gzip must arrive as it lies there.
                while chunk := response.read(self._chunk_bytes(), decode_content=False):
                    yield chunk
            finally:
                self._reading -= 1

    def _chunk_bytes(self) -> int:
        return min(max(_CHUNKS_BYTES // self._reading, CHUNK_BYTES), _MAX_CHUNK_BYTES)


def _is_range(response: urllib3.BaseHTTPResponse, offset: int, length: int | None) -> bool:
    last = offset + length - 1 if length else None
    asked = f"bytes {offset}-{last}/" if last is not None else f"bytes {offset}-"
    return response.status == 206 and response.headers.get("Content-Range", "").startswith(asked)


def _info(found: Any) -> ObjectInfo:
    return ObjectInfo(key=found.object_name, size=found.size or 0, etag=(found.etag or "").strip('"'))


def _whole_crc32(headers: Mapping[str, str]) -> int | None:
    """S3's CRC-32 is that of ZIP, in base64; one of type COMPOSITE is a checksum of the parts' checksums."""
    if headers.get("x-amz-checksum-type") != "FULL_OBJECT":
        return None
    digest = base64.b64decode(headers.get("x-amz-checksum-crc32", ""))
    return int.from_bytes(digest, "big") if len(digest) == 4 else None
