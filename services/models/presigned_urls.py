"""Presigned URLs, for the address by which the client reached the gateway."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import SplitResult, quote, urlsplit

from services.models.bucket import BUCKET
from services.models.paths import is_in
from services.models.selection import Selection
from services.models.settings import Settings
from shared.gateway_address import GatewayAddress
from shared.s3.client import presign

LIFETIME = timedelta(hours=24)

PINNED = "x-tunedeck-etag"
"""The parameter of a link to one object and no later one; the store does not know it, and signs it like any other."""

AddTicket = Callable[[str, datetime], str]
"""Return a path of the API, with its query, as a link to it needs it until then."""


class PresignedUrls:
    """The URLs of the answer to a request with these headers: all for one ``address``, all good until ``expire_at``."""

    def __init__(self, settings: Settings, header: Callable[[str], str | None], add_ticket: AddTicket) -> None:
        self._settings = settings
        self.address = GatewayAddress(settings.gateway_url, settings.public_url).of(header)
        self._add_ticket = add_ticket
        self._now = datetime.now(UTC).replace(microsecond=0)
        self.expire_at = self._now + LIFETIME

    def object_url(self, key: str, etag: str | None = None) -> str:
        """Return the presigned URL of an object, or of the one with that etag alone: the gateway asks for it."""
        # A browser names the file after the path. With the name in here there would be a semicolon, which clients
        # that encode a URL anew (llama.cpp) leave bare, and many a server then reads as the end of the parameter.
        pinned = "" if etag is None else f"&{PINNED}={quote(etag, safe='')}"
        credentials = (self._settings.s3_access_key, self._settings.s3_secret_key)
        return self._sign("GET", key, f"response-content-disposition=attachment{pinned}", credentials)

    def part_url(self, key: str, upload_id: str, number: int) -> str:
        """Return the presigned URL to which a part of the store's upload ``upload_id`` is PUT."""
        query = f"partNumber={number}&uploadId={quote(upload_id, safe='')}"
        # By an identity that can write and not read: a signed PUT may be made to copy whatever its signer may read.
        credentials = (self._settings.s3_parts_access_key, self._settings.s3_parts_secret_key)
        return self._sign("PUT", key, query, credentials)

    def _sign(self, method: str, key: str, query: str, credentials: tuple[str, str]) -> str:
        scheme, netloc, path, _, _ = urlsplit(self.address)
        url = SplitResult(scheme, netloc, f"{path}/{BUCKET}/{quote(key, safe='/')}", query, "")
        return presign(method, url, self._settings.s3_region, credentials, self._now, LIFETIME)

    def api_url(self, path: str) -> str:
        """Return the URL of a path of the API, which opens as it stands, as a presigned one does."""
        return f"{self.address}{self._add_ticket(path, self.expire_at)}"

    def folder_url(
        self, model_id: int, storage_path: str, folder: str, paths: list[str], archive: str | None
    ) -> str | None:
        """Return one URL for all of ``paths`` (below the storage path) that lie below the absolute ``folder``.

        A single file is the object itself, several are a ZIP of the folder, of the ``archive`` of that name where one
        is known; nothing can be signed for a prefix.
        """
        include = folder[len(storage_path) + 1 :]
        inside = [path for path in paths if is_in(path, include)]
        if not inside:
            return None
        if len(inside) == 1:
            return self.object_url(f"{storage_path}/{inside[0]}")
        name = "" if archive is None else f"/{archive}"
        query = Selection((include,) if include else ()).query
        return self.api_url(f"/api/v1/models/{model_id}/download{name}{query}")
