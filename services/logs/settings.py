"""The settings of a logs process."""

from __future__ import annotations

from dataclasses import dataclass

from shared.settings import HttpUrl, Positive, RedisUrl


@dataclass(frozen=True)
class Settings:
    database_url: str
    redis_url: RedisUrl
    gateway_url: HttpUrl = "http://localhost:8080"
    """The gateway's local address: links carry it where a request did not come through the gateway."""
    public_url: HttpUrl | None = None
    """The gateway's address for all the world; where it is set, links carry no other."""
    log_retention_days: Positive | None = None
    """After so many days from its end a job's log and metrics are deleted; kept for ever where it is not set."""
    max_streams: int = 4000
    """Streams that one process holds; beyond it a client is told to come back."""
