"""Download links that open as they stand, signed for the address by which the client reached the gateway."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol
from urllib.parse import SplitResult, quote, urlsplit

from minio.credentials.credentials import Credentials
from minio.signer import presign_v4

from services.models.paths import is_below
from services.models.storage import BUCKET

LIFETIME = timedelta(hours=24)

_HOST = re.compile(r"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")


Header = Callable[[str], str | None]
"""Gives a request header, or None."""


class LinkSettings(Protocol):
    @property
    def s3_region(self) -> str: ...
    @property
    def s3_access_key(self) -> str: ...
    @property
    def s3_secret_key(self) -> str: ...
    @property
    def s3_parts_access_key(self) -> str: ...
    @property
    def s3_parts_secret_key(self) -> str: ...
    @property
    def gateway_url(self) -> str: ...
    @property
    def public_url(self) -> str | None: ...


class Links:
    """The links of one answer: all for one address, all good until ``expire_at``."""

    def __init__(self, settings: LinkSettings, header: Header) -> None:
        self._base = _address(settings, header)
        self._region = settings.s3_region
        self._credentials = Credentials(settings.s3_access_key, settings.s3_secret_key)
        self._writer = Credentials(settings.s3_parts_access_key, settings.s3_parts_secret_key)
        self._now = datetime.now(UTC).replace(microsecond=0)
        self.expire_at = self._now + LIFETIME

    def object_url(self, key: str) -> str:
        """Return the presigned URL of an object; signing asks nobody anything."""
        disposition = quote(_disposition(key.rsplit("/", 1)[-1]), safe="")
        return self._signed("GET", key, f"response-content-disposition={disposition}", self._credentials)

    def part_url(self, key: str, store_id: str, number: int) -> str:
        """Return the presigned URL to which a part of the store's upload ``store_id`` is PUT.

        It is signed by the identity that can write and not read: a signed PUT may be made to copy whatever its signer
        may read.
        """
        return self._signed("PUT", key, f"partNumber={number}&uploadId={quote(store_id, safe='')}", self._writer)

    def _signed(self, method: str, key: str, query: str, credentials: Credentials) -> str:
        scheme, netloc, path, _, _ = urlsplit(self._base)
        url = SplitResult(scheme, netloc, f"{path}/{BUCKET}/{quote(key, safe='/')}", query, "")
        signed = presign_v4(
            method=method,
            url=url,
            region=self._region,
            credentials=credentials,
            date=self._now,
            expires=int(LIFETIME.total_seconds()),
        )
        return signed.geturl()

    def folder_url(self, model_id: int, storage_path: str, folder: str, paths: list[str]) -> str | None:
        """Return one URL for all of ``paths`` (below the storage path) that lie below the absolute ``folder``.

        A single file is the object itself, several are a ZIP of the folder; nothing can be signed for a prefix.
        """
        include = folder[len(storage_path) + 1 :]
        inside = [path for path in paths if is_below(path, include)]
        if not inside:
            return None
        if len(inside) == 1:
            return self.object_url(f"{storage_path}/{inside[0]}")
        return f"{self._base}/api/v1/models/{model_id}/download?include={quote(include, safe='/')}"


def _disposition(name: str) -> str:
    plain = re.sub(r"[^ !#-\[\]-~]", "_", name)
    value = f'attachment; filename="{plain}"'
    return value if plain == name else f"{value}; filename*=UTF-8''{quote(name, safe='')}"


def _address(settings: LinkSettings, header: Header) -> str:
    """The gateway sets both headers itself, whatever a client sent; a request without them came past it."""
    if settings.public_url is not None:
        return settings.public_url.rstrip("/")
    scheme, host = header("X-Forwarded-Proto"), header("Host") or ""
    if scheme in ("http", "https") and _HOST.fullmatch(host):
        return f"{scheme}://{host}"
    return settings.gateway_url.rstrip("/")
