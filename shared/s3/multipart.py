"""Multipart uploads of a bucket: begun, listed, completed and aborted; their parts come from elsewhere."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shared.errors import Unavailable
from shared.s3.client import SentPart
from shared.s3.errors import RETRY_AFTER_S, ObjectMissing, translated
from shared.s3.readable_bucket import ReadableBucket

MAX_OBJECT_BYTES = 5 * 2**40
MAX_PARTS = 10_000
"""Both are S3's."""

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


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


class UploadBucket(ReadableBucket):
    """Keeps the open uploads of the bucket."""

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


def multipart_etag(etags: Sequence[str]) -> str | None:
    """Return the etag that S3 gives to an object of such parts: the MD5 of their MD5s, and their number.

    None where the store's etags are no MD5s (AWS: with keys of a KMS).
    """
    if not all(re.fullmatch("[0-9a-f]{32}", etag) for etag in etags):
        return None
    digests = b"".join(map(bytes.fromhex, etags))
    return f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(etags)}"
