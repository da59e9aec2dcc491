"""The settings of a logs process."""

from __future__ import annotations

from dataclasses import dataclass

from shared.settings import SettingsError


@dataclass(frozen=True)
class Settings:
    database_url: str
    redis_url: str
    gateway_url: str = "http://localhost:8080"
    """The gateway's local address: links carry it where a request did not come through the gateway."""
    public_url: str | None = None
    """The gateway's address for all the world; where it is set, links carry no other."""
    log_retention_days: int | None = None
    """After so many days from its end a job's log and metrics are deleted; kept for ever where it is not set."""
    max_streams: int = 4000
    """Streams that one process holds; beyond it a client is told to come back."""

    def __post_init__(self) -> None:
        if self.log_retention_days == 0:
            raise SettingsError("LOG_RETENTION_DAYS=0: must be at least 1; unset, logs are kept")
