"""minio-py's client as we want it, with parts that carry a CRC-32; and presigned URLs.

Its private names are used in this package and nowhere else; our requirements pin the versions that have them.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import SplitResult, urlsplit

import urllib3
from isal import isal_zlib
from minio import Minio
from minio.credentials.credentials import Credentials
from minio.signer import presign_v4

from shared.settings import HttpUrl

_CONNECT_TIMEOUT_S = 3
READ_TIMEOUT_S = 10
"""Without a byte of an answer; what hangs is known after it. A store that takes longer to put ten thousand parts
together does so all the same, and the request is repeated."""

_POOL_SIZE = 320
"""Of idle connections: 64 downloads, each with four small files ahead of the one that it sends."""


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
    """minio-py's client, but for bodies in parts, which carry a CRC-32 instead of a second hash."""

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
