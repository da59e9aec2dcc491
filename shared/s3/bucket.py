"""One bucket: objects are streamed in, copied and removed; how they are read and uploaded in parts is in its bases."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from typing import Protocol

import urllib3

from shared.errors import Unavailable
from shared.s3.client import PartBody
from shared.s3.errors import StoreHangs, translated
from shared.s3.multipart import UploadBucket
from shared.s3.readable_bucket import CHUNK_BYTES

PART_BYTES = 16 * 2**20
_PARTS_AT_ONCE = 2
COPIED_AT_ONCE_BYTES = 2**26


class Readable(Protocol):
    """Gives at most ``size`` bytes, and none at its end."""

    def read(self, size: int, /) -> bytes: ...


class Bucket(UploadBucket):
    """A bucket that is also written to: objects are streamed in, copied and removed."""

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
        sent: list[tuple[Future[str], str]] = []
        with self._upload(key, content_type) as upload_id:
            # Its end waits for the parts that are on their way: none may come after the upload was dropped.
            with ThreadPoolExecutor(_PARTS_AT_ONCE) as senders:
                while len(part):
                    send = partial(self.client.put_part, self.name, key, upload_id, len(sent) + 1, part)
                    sent.append((senders.submit(send), part.checksum))
                    if len(sent) >= _PARTS_AT_ONCE:
                        sent[-_PARTS_AT_ONCE][0].result()
                    part = _read_part(data)
            return self.complete_upload(key, upload_id, [(etag.result(), checksum) for etag, checksum in sent])

    @contextmanager
    def _upload(self, key: str, content_type: str | None = None) -> Iterator[str]:
        """Open a multipart upload for a block, which completes it; dropped where that fails."""
        upload_id = self.client.begin_upload(self.name, key, content_type)
        try:
            yield upload_id
        except (urllib3.exceptions.ReadTimeoutError, StoreHangs):
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
            edges = [*range(0, size, COPIED_AT_ONCE_BYTES), size]
            with self._upload(key) as upload_id:
                parts = [
                    self.client.copy_part(self.name, key, upload_id, number, source, etag, span)
                    for number, span in enumerate(pairwise(edges), start=1)
                ]
                return self.complete_upload(key, upload_id, [(part, None) for part in parts])

    def remove(self, key: str) -> None:
        """Delete an object; one that is not there is no error."""
        with translated():
            self.client.remove_object(bucket_name=self.name, object_name=key)


def _read_part(data: Readable) -> PartBody:
    """Return the next 16 MiB of ``data``, less only at its end."""
    part = PartBody()
    while len(part) < PART_BYTES and (piece := data.read(min(CHUNK_BYTES, PART_BYTES - len(part)))):
        part.append(piece)
    return part
