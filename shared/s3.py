"""minio-py, with uploads in parts, which it keeps to itself, and with bodies that are not hashed a second time."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, cast
from xml.etree import ElementTree

from isal import isal_zlib
from minio import Minio
from minio.datatypes import CompleteMultipartUploadResult

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"

SentPart = tuple[str, str | None]
"""The etag of a part that the store has, and the CRC-32 that it came with, if it did."""


class Part:
    """The body of one request, in the pieces in which it came: nobody has to put them together."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0
        self._crc32 = 0

    def append(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._size += len(piece)
        self._crc32 = isal_zlib.crc32(piece, self._crc32)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._pieces)

    @property
    def checksum(self) -> str:
        """The CRC-32 as S3 writes it."""
        return base64.b64encode(self._crc32.to_bytes(4, "big")).decode()


class Client(Minio):
    """A client for S3. Its own calls use minio-py's protected ones, which our requirements pin."""

    def _build_headers(
        self, host: str, headers: Any = None, body: Any = None, creds: Any = None
    ) -> tuple[dict[str, Any], datetime]:
        """As minio-py does; but of a Part the signature holds its CRC-32, which the store checks, and no SHA-256."""
        if not isinstance(body, Part):
            return super()._build_headers(host, headers, body, creds)
        built, date = super()._build_headers(host, headers, None, creds)
        sent = {
            "Content-Length": str(len(body)),
            "x-amz-content-sha256": "UNSIGNED-PAYLOAD",
            "x-amz-checksum-crc32": body.checksum,
        }
        return {**built, **sent}, date

    def put(self, bucket: str, key: str, body: Part, content_type: str) -> str:
        """Store an object by one request and return its etag."""
        return self._put(bucket, key, body, {"Content-Type": content_type})

    def begin_upload(self, bucket: str, key: str, content_type: str) -> str:
        """Open an upload whose parts come by ``put_part``, and return the store's id of it."""
        headers: Any = {"Content-Type": content_type, "x-amz-checksum-algorithm": "CRC32"}
        return self._create_multipart_upload(bucket, key, headers)

    def put_part(self, bucket: str, key: str, upload: str, number: int, body: Part) -> str:
        """Store a part and return its etag."""
        return self._put(bucket, key, body, None, {"partNumber": str(number), "uploadId": upload})

    def _put(self, bucket: str, key: str, body: Part, headers: Any, query: Any = None) -> str:
        return self._put_object(bucket, key, cast(bytes, body), headers, query).etag or ""

    def complete_upload(self, bucket: str, key: str, upload: str, parts: Sequence[SentPart]) -> str:
        """Make the parts 1, 2, 3 … the object, and return its etag.

        "" where the answer has none: S3 may answer 200 and put an error into the body, and Ceph's gateway has put the
        parts together and leaves the etag empty.
        """
        root = ElementTree.Element("CompleteMultipartUpload", xmlns=_NAMESPACE)
        for number, (etag, checksum) in enumerate(parts, 1):
            part = ElementTree.SubElement(root, "Part")
            for name, value in (("PartNumber", str(number)), ("ETag", f'"{etag}"'), ("ChecksumCRC32", checksum)):
                if value is not None:
                    ElementTree.SubElement(part, name).text = value
        body = ElementTree.tostring(root)
        md5 = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        headers: Any = {"Content-Type": "application/xml", "Content-MD5": md5}
        answer = self._execute("POST", bucket, key, body=body, headers=headers, query_params={"uploadId": upload})
        return CompleteMultipartUploadResult(answer).etag or ""

    def abort_upload(self, bucket: str, key: str, upload: str) -> None:
        """Drop an upload and its parts."""
        self._abort_multipart_upload(bucket, key, upload)


def joined_etag(etags: Sequence[str]) -> str | None:
    """Return the etag that S3 gives to an object of such parts: the MD5 of their MD5s, and their number.

    None where the store's etags are no MD5s (AWS: with keys of a KMS).
    """
    if not all(re.fullmatch("[0-9a-f]{32}", etag) for etag in etags):
        return None
    digests = b"".join(map(bytes.fromhex, etags))
    return f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(etags)}"
