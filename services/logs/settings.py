"""The settings of a logs process."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    database_url: str
    redis_url: str
    max_streams: int = 4000
    """Streams that one process holds; beyond it a client is told to come back."""
