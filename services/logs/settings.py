"""The settings of a logs process."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    database_url: str
    redis_url: str
    gateway_url: str = "http://localhost:8080"
    """The gateway's local address: links carry it where a request did not come through the gateway."""
    public_url: str | None = None
    """The gateway's address for all the world; where it is set, links carry no other."""
    max_streams: int = 4000
    """Streams that one process holds; beyond it a client is told to come back."""
