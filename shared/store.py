"""Objects in S3, streamed: vendor errors become ours, and a read never gives bytes that were not asked for."""

from __future__ import annotations

import base64
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Protocol
from urllib.parse import urlsplit

import urllib3
from minio.error import InvalidResponseError, S3Error, ServerError
from urllib3.exceptions import HTTPError

from shared.errors import Conflict, NotFound, Unavailable
from shared.s3 import Client, Part, SentPart, joined_etag

CHUNK_BYTES = 256 * 1024
_MAX_CHUNK_BYTES = 4 * CHUNK_BYTES
_CHUNKS_BYTES = 16 * CHUNK_BYTES
"""What one read of each open object may bring together: larger chunks are faster, and make others wait longer."""

PART_BYTES = 16 * 2**20
_PARTS_AT_ONCE = 2
_CONNECT_TIMEOUT_S = 5
_READ_TIMEOUT_S = 60
_POOL_SIZE = 320
"""Of idle connections: 64 downloads, each with four small files ahead of the one that it sends."""

_MISSING = frozenset({"NoSuchKey", "NoSuchBucket", "NoSuchUpload", "NoSuchVersion"})


class ObjectMissing(NotFound):
    """There is no such object."""


class ObjectChanged(Conflict):
    """The object is no longer the one that was recorded."""


class StoreSettings(Protocol):
    """What a service's settings say of S3."""

    @property
    def s3_endpoint(self) -> str: ...
    @property
    def s3_region(self) -> str: ...
    @property
    def s3_access_key(self) -> str: ...
    @property
    def s3_secret_key(self) -> str: ...


@dataclass(frozen=True)
class Stored:
    """An object as the store lists it; ``size`` in bytes, ``etag`` without quotes."""

    key: str
    size: int
    etag: str
    modified: datetime | None
    crc32: int | None = None
    """Of the whole object; only ``stat`` tells it, and only where the store keeps one."""


class Readable(Protocol):
    """Gives at most ``size`` bytes, and none at its end."""

    def read(self, size: int, /) -> bytes: ...


class Store:
    """One bucket."""

    def __init__(self, client: Client, bucket: str) -> None:
        self.client = client
        self.bucket = bucket
        self._reading = 0

    def check(self) -> None:
        """Raise Unavailable unless the bucket is there."""
        with translated():
            if not self.client.bucket_exists(bucket_name=self.bucket):
                raise Unavailable(f"The bucket {self.bucket} does not exist.")

    def make_bucket(self) -> None:
        """Make the bucket unless it is there."""
        with translated():
            if not self.client.bucket_exists(bucket_name=self.bucket):
                self.client.make_bucket(bucket_name=self.bucket)

    def stat(self, key: str) -> Stored:
        """Return what the store knows of an object, or raise ObjectMissing."""
        with translated():
            found = self.client.stat_object(
                bucket_name=self.bucket, object_name=key, extra_headers={"x-amz-checksum-mode": "ENABLED"}
            )
        return replace(_stored(found), crc32=_whole_crc32(found.metadata or {}))

    def list(self, prefix: str) -> Iterator[Stored]:
        """Yield the objects below ``prefix``, which ends in ``/`` or is empty (``1/`` never sees ``10/…``)."""
        with translated():
            for found in self.client.list_objects(bucket_name=self.bucket, prefix=prefix, recursive=True):
                yield _stored(found)

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
                bucket_name=self.bucket,
                object_name=key,
                offset=offset,
                length=length or 0,
                request_headers=headers,
            )
        try:
            # minio-py does not look: a store that ignores Range sends the whole object with a 200.
            if (offset or length) and not _is_range(response, offset, length):
                raise Unavailable("The store ignored the byte range.", retry_after=5)
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
                return self.client.put(self.bucket, key, part, content_type)
            return self._put_parts(key, part, data, content_type)

    def _put_parts(self, key: str, part: Part, data: Readable, content_type: str) -> str:
        upload = self.client.begin_upload(self.bucket, key, content_type)
        sent: list[tuple[Future[str], str]] = []
        try:
            # Its end waits for the parts that are on their way: none may come after the upload was dropped.
            with ThreadPoolExecutor(_PARTS_AT_ONCE) as senders:
                while len(part):
                    send = partial(self.client.put_part, self.bucket, key, upload, len(sent) + 1, part)
                    sent.append((senders.submit(send), part.checksum))
                    if len(sent) >= _PARTS_AT_ONCE:
                        sent[-_PARTS_AT_ONCE][0].result()
                    part = _read_part(data)
            return self.complete(key, upload, [(etag.result(), checksum) for etag, checksum in sent])
        except Exception:
            self.client.abort_upload(self.bucket, key, upload)
            raise

    def complete(self, key: str, upload: str, parts: Sequence[SentPart]) -> str:
        """Make the parts 1, 2, 3 … of an upload the object, and return its etag.

        Raises ObjectMissing where the store has no such upload, Unavailable where it does not put them together.
        """
        with translated():
            etag = self.client.complete_upload(self.bucket, key, upload, parts)
        stored = etag or self.joined(key, [etag for etag, _ in parts])
        if stored is None:
            raise Unavailable("The store did not put the parts together.", retry_after=5)
        return stored

    def joined(self, key: str, etags: Sequence[str]) -> str | None:
        """Return the object's etag if it is that of parts with these etags; None if not, or if it cannot be told."""
        etag = joined_etag(etags)
        try:
            return etag if etag is not None and self.stat(key).etag == etag else None
        except ObjectMissing:
            return None

    def remove(self, key: str) -> None:
        """Delete an object; one that is not there is no error."""
        with translated():
            self.client.remove_object(bucket_name=self.bucket, object_name=key)


def connect(settings: StoreSettings) -> Client:
    """Return a client for ``settings.s3_endpoint`` (``http://host:port``); it asks nothing before the first call."""
    parts = urlsplit(settings.s3_endpoint)
    return Client(
        endpoint=parts.netloc,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key,
        region=settings.s3_region,
        secure=parts.scheme == "https",
        http_client=urllib3.PoolManager(
            maxsize=_POOL_SIZE,
            block=False,
            timeout=urllib3.Timeout(connect=_CONNECT_TIMEOUT_S, read=_READ_TIMEOUT_S),
            retries=urllib3.Retry(total=2, connect=1, backoff_factor=0.2, status_forcelist=(500, 502, 503, 504)),
        ),
    )


def _read_part(data: Readable) -> Part:
    """Return the next 16 MiB of ``data``, less only at its end."""
    part = Part()
    while len(part) < PART_BYTES and (piece := data.read(min(CHUNK_BYTES, PART_BYTES - len(part)))):
        part.append(piece)
    return part


def _is_range(response: urllib3.BaseHTTPResponse, offset: int, length: int | None) -> bool:
    last = offset + length - 1 if length else None
    asked = f"bytes {offset}-{last}/" if last is not None else f"bytes {offset}-"
    return response.status == 206 and response.headers.get("Content-Range", "").startswith(asked)


def _stored(found: Any) -> Stored:
    return Stored(
        key=found.object_name,
        size=found.size or 0,
        etag=(found.etag or "").strip('"'),
        modified=found.last_modified,
    )


def _whole_crc32(headers: Mapping[str, str]) -> int | None:
    """S3's CRC-32 is that of ZIP, in base64; one of type COMPOSITE is a checksum of the parts' checksums."""
    if headers.get("x-amz-checksum-type") != "FULL_OBJECT":
        return None
    digest = base64.b64decode(headers.get("x-amz-checksum-crc32", ""))
    return int.from_bytes(digest, "big") if len(digest) == 4 else None


@contextmanager
def translated() -> Iterator[None]:
    """Raise what minio-py raises during the block as ObjectMissing, ObjectChanged or Unavailable."""
    try:
        yield
    except S3Error as error:
        if error.code in _MISSING:
            raise ObjectMissing(f"The store has no object {error.object_name or ''}.") from error
        if error.code == "PreconditionFailed":
            raise ObjectChanged("The stored object is not the one that was recorded.") from error
        raise Unavailable(f"The store refused: {error.code}.", retry_after=5) from error
    except (InvalidResponseError, ServerError, HTTPError) as error:
        raise Unavailable("The store does not answer.", retry_after=5) from error
