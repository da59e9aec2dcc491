"""The settings of a models process."""

from __future__ import annotations

from dataclasses import dataclass

from shared.s3.client import S3Settings
from shared.settings import SettingsError


@dataclass(frozen=True)
class Settings(S3Settings):
    s3_parts_access_key: str
    """Signs upload parts: an identity that can write and not read."""
    s3_parts_secret_key: str
    database_url: str
    logs_url: str
    gateway_url: str
    """The gateway's local address: links carry it where a request did not come through the gateway."""
    public_url: str | None = None
    """The gateway's address for all the world; where it is set, links carry no other."""
    hub_upstream: str | None = None
    """The Hub to which clients are sent for repositories that are not here."""

    def __post_init__(self) -> None:
        if self.hub_upstream is not None and not self.hub_upstream.startswith(("http://", "https://")):
            raise SettingsError(f"HUB_UPSTREAM={self.hub_upstream}: must be a URL")
