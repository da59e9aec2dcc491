"""One bucket: objects are streamed in and out, and a read never gives bytes that were not asked for."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from typing import Any, Protocol

import urllib3

from shared.errors import Unavailable
from shared.s3.client import PartBody, S3Client, SentPart
from shared.s3.errors import RETRY_AFTER_S, ObjectMissing, translated

MAX_OBJECT_BYTES = 5 * 2**40
MAX_PARTS = 10_000
"""Both are S3's."""

CHUNK_BYTES = 256 * 1024
_MAX_CHUNK_BYTES = 4 * CHUNK_BYTES
_CHUNKS_BYTES = 16 * CHUNK_BYTES
"""What one read of each open object may bring together: larger chunks are faster, and make others wait longer."""

PART_BYTES = 16 * 2**20
_PARTS_AT_ONCE = 2
COPIED_AT_ONCE_BYTES = 2**29
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class ObjectInfo:
    """An object as the store lists it; ``size`` in bytes, ``etag`` without quotes."""

    key: str
    size: int
    etag: str
    crc32: int | None = None
    """Of the whole object; only ``stat`` tells it, and only where the store keeps one."""


@dataclass(frozen=True)
class PartInfo:
    """A part that lies in the store; ``size`` in bytes, ``etag`` without quotes."""

    number: int
    etag: str
    size: int


@dataclass(frozen=True)
class OpenUpload:
    """A multipart upload that the store keeps open since ``since``."""

    key: str
    id: str
    since: datetime


class Readable(Protocol):
    """Gives at most ``size`` bytes, and none at its end."""

    def read(self, size: int, /) -> bytes: ...


class Bucket:
    """The bucket ``name``."""

    def __init__(self, client: S3Client, name: str) -> None:
        self.client = client
        self.name = name
        self._reading = 0

    def check(self) -> None:
        """Raise Unavailable unless the bucket is there."""
        if not self._exists():
            raise Unavailable(f"The bucket {self.name} does not exist.")

    def create(self) -> None:
        """Make the bucket unless it is there."""
        if not self._exists():
            with translated():
                self.client.make_bucket(bucket_name=self.name)

    def _exists(self) -> bool:
        with translated():
            return self.client.bucket_exists(bucket_name=self.name)

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

    def put(self, key: str, data: Readable, *, content_type: str = "application/octet-stream") -> str:
        """Store what ``data`` gives until it ends, and return its etag.

        The object appears whole or not at all: an error raised by ``data.read`` undoes it. Two parts of 16 MiB are on
        their way while a third is read; with no more than one part there is one request.
        """
        with translated():
            part = _read_part(data)
            if len(part) < PART_BYTES:
                return self.client.put(self.name, key, part, content_type)
            return self._put_parts(key, part, data, content_type)

    def _put_parts(self, key: str, part: PartBody, data: Readable, content_type: str) -> str:
        upload_id = self.client.begin_upload(self.name, key, content_type)
        sent: list[tuple[Future[str], str]] = []
        try:
            # Its end waits for the parts that are on their way: none may come after the upload was dropped.
            with ThreadPoolExecutor(_PARTS_AT_ONCE) as senders:
                while len(part):
                    send = partial(self.client.put_part, self.name, key, upload_id, len(sent) + 1, part)
                    sent.append((senders.submit(send), part.checksum))
                    if len(sent) >= _PARTS_AT_ONCE:
                        sent[-_PARTS_AT_ONCE][0].result()
                    part = _read_part(data)
            return self.complete_upload(key, upload_id, [(etag.result(), checksum) for etag, checksum in sent])
        except urllib3.exceptions.ReadTimeoutError:
            raise  # the abort would hang, too; it is left to whoever expires uploads
        except Exception:
            self.client.abort_upload(self.name, key, upload_id)
            raise

    def copy(self, source: str, key: str, *, size: int, etag: str) -> str:
        """Copy an object within the store and return the copy's etag; ObjectMissing, ObjectChanged or Unavailable.

        A large one in parts: no answer comes before a part is copied, and one that takes long counts as none.
        """
        with translated():
            if size <= COPIED_AT_ONCE_BYTES:
                return self.client.copy(self.name, key, source, etag)
            upload_id = self.client.begin_upload(self.name, key)
            edges = [*range(0, size, COPIED_AT_ONCE_BYTES), size]
            try:
                parts = [
                    self.client.copy_part(self.name, key, upload_id, number, source, etag, span)
                    for number, span in enumerate(pairwise(edges), start=1)
                ]
                return self.complete_upload(key, upload_id, [(part, None) for part in parts])
            except urllib3.exceptions.ReadTimeoutError:
                raise
            except Exception:
                self.client.abort_upload(self.name, key, upload_id)
                raise

    def begin_upload(self, key: str) -> str:
        """Open a multipart upload whose parts come by presigned URLs, and return the store's id of it."""
        with translated():
            return self.client.begin_upload(self.name, key)

    def list_parts(self, key: str, upload_id: str) -> Sequence[PartInfo]:
        """Return the parts that came so far, the oldest first; ObjectMissing where the store has no such upload.

        A part that was sent twice is there once or, in SeaweedFS, once for each time: there its etag picks one.
        """
        found: list[Any] = []
        marker = None
        while True:
            with translated():
                page = self.client.list_parts(self.name, key, upload_id, marker)
            found += page.parts
            if not page.is_truncated:
                break
            marker = page.next_part_number_marker
        found.sort(key=lambda part: part.last_modified or _LONG_AGO)
        return [PartInfo(part.part_number, part.etag, part.size or 0) for part in found]

    def complete_upload(self, key: str, upload_id: str, parts: Sequence[SentPart]) -> str:
        """Make the parts 1, 2, 3 … of an upload the object, and return its etag.

        Raises ObjectMissing where the store has no such upload, Unavailable where it does not put them together.
        """
        with translated():
            etag = self.client.complete_upload(self.name, key, upload_id, parts)
        stored = etag or self.joined_etag(key, [etag for etag, _ in parts])
        if stored is None:
            raise Unavailable("The store did not put the parts together.", retry_after=RETRY_AFTER_S)
        return stored

    def joined_etag(self, key: str, etags: Sequence[str]) -> str | None:
        """Return the object's etag if it is that of parts with these etags; None if not, or if it cannot be told."""
        etag = multipart_etag(etags)
        return etag if etag is not None and self.has(key, etag) else None

    def abort_upload(self, key: str, upload_id: str) -> None:
        """Drop an upload and its parts; one that is not there is no error."""
        try:
            with translated():
                self.client.abort_upload(self.name, key, upload_id)
        except ObjectMissing:
            return

    def list_uploads(self) -> Iterator[OpenUpload]:
        """Yield the open uploads: of one key the first thousand."""
        marker: str | None = None
        while True:
            with translated():
                page = self.client.list_uploads(self.name, marker)
            for upload in page.uploads:
                if upload.upload_id is not None and upload.initiated_time is not None:
                    yield OpenUpload(upload.object_name, upload.upload_id, upload.initiated_time)
            marker = page.next_key_marker
            if not page.is_truncated or marker is None:
                return

    def remove(self, key: str) -> None:
        """Delete an object; one that is not there is no error."""
        with translated():
            self.client.remove_object(bucket_name=self.name, object_name=key)


def multipart_etag(etags: Sequence[str]) -> str | None:
    """Return the etag that S3 gives to an object of such parts: the MD5 of their MD5s, and their number.

    None where the store's etags are no MD5s (AWS: with keys of a KMS).
    """
    if not all(re.fullmatch("[0-9a-f]{32}", etag) for etag in etags):
        return None
    digests = b"".join(map(bytes.fromhex, etags))
    return f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(etags)}"


def _read_part(data: Readable) -> PartBody:
    """Return the next 16 MiB of ``data``, less only at its end."""
    part = PartBody()
    while len(part) < PART_BYTES and (piece := data.read(min(CHUNK_BYTES, PART_BYTES - len(part)))):
        part.append(piece)
    return part


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
