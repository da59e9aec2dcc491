"""The settings of a models process."""

from __future__ import annotations

from dataclasses import dataclass

from shared.s3.client import S3Settings
from shared.settings import HttpUrl


@dataclass(frozen=True)
class Settings(S3Settings):
    s3_parts_access_key: str
    """Signs upload parts: an identity that can write and not read."""
    s3_parts_secret_key: str
    database_url: str
    logs_url: HttpUrl
    gateway_url: HttpUrl
    """The gateway's local address: links carry it where a request did not come through the gateway."""
    public_url: HttpUrl | None = None
    """The gateway's address for all the world; where it is set, links carry no other."""
    hub_upstream: HttpUrl | None = None
    """The Hub to which clients are sent for repositories that are not here."""
