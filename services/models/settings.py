"""The settings of a models process."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    database_url: str
    s3_endpoint: str
    s3_region: str
    s3_access_key: str
    s3_secret_key: str
    s3_parts_access_key: str
    """Signs upload parts: an identity that can write and not read."""
    s3_parts_secret_key: str
    logs_url: str
    gateway_url: str
    """The gateway's local address: links carry it where a request did not come through the gateway."""
    public_url: str | None = None
    """The gateway's address for all the world; where it is set, links carry no other."""
