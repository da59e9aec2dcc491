"""minio-py with the calls that it keeps private: multipart uploads, their listing, and presigned URLs.

Its private names are used here and nowhere else; our requirements pin the versions that have them.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast
from urllib.parse import SplitResult, quote, urlsplit
from xml.etree import ElementTree

import urllib3
from isal import isal_zlib
from minio import Minio
from minio.credentials.credentials import Credentials
from minio.datatypes import (
    CompleteMultipartUploadResult,
    ListMultipartUploadsResult,
    ListPartsResult,
    parse_copy_object,
)
from minio.signer import presign_v4

from shared.settings import HttpUrl

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_CONNECT_TIMEOUT_S = 3
READ_TIMEOUT_S = 10
"""Without a byte of an answer; what hangs is known after it. A store that takes longer to put ten thousand parts
together does so all the same, and the request is repeated."""

_POOL_SIZE = 320
"""Of idle connections: 64 downloads, each with four small files ahead of the one that it sends."""

SentPart = tuple[str, str | None]
"""The etag of a part that the store has, and the CRC-32 that it was sent with, if it was."""


@dataclass(frozen=True)
class S3Settings:
    """Where an S3 is and who asks; a service's settings begin with these."""

    s3_endpoint: HttpUrl
    s3_region: str
    s3_access_key: str
    s3_secret_key: str


class PartBody:
    """The body of one request, in the pieces in which it came, so that nobody joins them; with its CRC-32."""

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


def connect(settings: S3Settings, *, read_timeout_s: float = READ_TIMEOUT_S) -> S3Client:
    """Return a client; it asks nothing before the first call."""
    endpoint = urlsplit(settings.s3_endpoint)
    return S3Client(
        endpoint=endpoint.netloc,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key,
        region=settings.s3_region,
        secure=endpoint.scheme == "https",
        http_client=urllib3.PoolManager(
            maxsize=_POOL_SIZE,
            block=False,
            timeout=urllib3.Timeout(connect=_CONNECT_TIMEOUT_S, read=read_timeout_s),
            retries=_Retry(total=2, connect=1, backoff_factor=0.2, status_forcelist=(500, 502, 503, 504)),
        ),
    )


class _Retry(urllib3.Retry):
    """Retries what failed, but not what hangs: it would hang three times as long."""

    def increment(  # type: ignore[override]
        self, method: Any = None, url: Any = None, response: Any = None, error: Any = None, **where: Any
    ) -> Any:
        if isinstance(error, urllib3.exceptions.ReadTimeoutError):
            raise error
        return super().increment(method, url, response, error, **where)


class S3Client(Minio):
    """minio-py's client, and multipart uploads whose parts carry a CRC-32 instead of a second hash."""

    def _build_headers(
        self, host: str, headers: Any = None, body: Any = None, creds: Any = None
    ) -> tuple[dict[str, Any], datetime]:
        """As minio-py does; but for a PartBody sign its CRC-32, which the store checks, and no SHA-256."""
        if not isinstance(body, PartBody):
            return super()._build_headers(host, headers, body, creds)
        built, date = super()._build_headers(host, headers, None, creds)
        sent = {
            "Content-Length": str(len(body)),
            "x-amz-content-sha256": "UNSIGNED-PAYLOAD",
            "x-amz-checksum-crc32": body.checksum,
        }
        return {**built, **sent}, date

    def put(self, bucket: str, key: str, body: PartBody, content_type: str) -> str:
        """Store an object by one request and return its etag."""
        return self._put_object(bucket, key, cast(bytes, body), {"Content-Type": content_type}).etag or ""

    def begin_upload(self, bucket: str, key: str, content_type: str | None = None) -> str:
        """Open a multipart upload and return the store's id of it; with a content type its parts carry a CRC-32."""
        headers: Any = {}
        if content_type is not None:
            headers = {"Content-Type": content_type, "x-amz-checksum-algorithm": "CRC32"}
        return self._create_multipart_upload(bucket, key, headers)

    def put_part(self, bucket: str, key: str, upload_id: str, number: int, body: PartBody) -> str:
        """Store a part and return its etag."""
        return self._upload_part(bucket, key, cast(bytes, body), None, upload_id, number)

    def copy(self, bucket: str, key: str, source: str, etag: str) -> str:
        """Copy the object ``source`` of the bucket, which must have that etag, and return the copy's."""
        headers = _copy_headers(bucket, source, etag)
        return parse_copy_object(self._execute("PUT", bucket, key, headers=headers))[0]

    def copy_part(
        self, bucket: str, key: str, upload_id: str, number: int, source: str, etag: str, span: tuple[int, int]
    ) -> str:
        """Copy the bytes from ``span[0]`` up to, not including, ``span[1]`` as a part, and return its etag."""
        headers = _copy_headers(bucket, source, etag)
        headers["x-amz-copy-source-range"] = f"bytes={span[0]}-{span[1] - 1}"
        return self._upload_part_copy(bucket, key, upload_id, number, headers)[0]

    def list_parts(self, bucket: str, key: str, upload_id: str, marker: str | None) -> ListPartsResult:
        """Return a page of an upload's parts, those after ``marker``."""
        return self._list_parts(bucket, key, upload_id, part_number_marker=marker)

    def list_uploads(self, bucket: str, key_marker: str | None) -> ListMultipartUploadsResult:
        """Return a page of the bucket's open uploads, those after ``key_marker``; their keys come as they are.

        minio-py's own call asks for encoded keys: SeaweedFS says then that it encodes them and does not, Ceph's gateway
        does and does not say so.
        """
        query: dict[str, Any] = {"uploads": ""} | ({} if key_marker is None else {"key-marker": key_marker})
        return ListMultipartUploadsResult(self._execute("GET", bucket, query_params=query))

    def complete_upload(self, bucket: str, key: str, upload_id: str, parts: Sequence[SentPart]) -> str:
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
        answer = self._execute("POST", bucket, key, body=body, headers=headers, query_params={"uploadId": upload_id})
        return CompleteMultipartUploadResult(answer).etag or ""

    def abort_upload(self, bucket: str, key: str, upload_id: str) -> None:
        """Drop a multipart upload and its parts."""
        self._abort_multipart_upload(bucket, key, upload_id)


def _copy_headers(bucket: str, source: str, etag: str) -> Any:
    return {"x-amz-copy-source": quote(f"/{bucket}/{source}"), "x-amz-copy-source-if-match": f'"{etag}"'}


def presign(
    method: str, url: SplitResult, region: str, credentials: tuple[str, str], now: datetime, lifetime: timedelta
) -> str:
    """Return ``url``, good for that method from ``now`` on (Signature Version 4, in the query); no request is made.

    ``credentials`` are an identity's access key and secret key.
    """
    signed = presign_v4(
        method=method,
        url=url,
        region=region,
        credentials=Credentials(*credentials),
        date=now,
        expires=int(lifetime.total_seconds()),
    )
    return signed.geturl()
