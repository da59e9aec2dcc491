"""The settings of an evaluations process, and of the worker beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from shared.s3.client import S3Settings
from shared.settings import SettingsError

Order = Literal["interleave", "blocks"]


@dataclass(frozen=True)
class Settings(S3Settings):
    database_url: str
    redis_url: str
    models_url: str


@dataclass(frozen=True)
class WorkerSettings(Settings):
    inference_url: str
    """Ends in ``/v1``."""
    inference_api_key: str | None = None
    inference_concurrency: int = 8
    """Requests in flight; more than the server works on at once only wait there, and count as its answer time."""
    inference_order: Order = "interleave"
    """``blocks`` asks first the one model all rows and then the other: for a server that cannot keep both loaded."""
    inference_timeout_s: int = 120
    """How long one answer may take, to its last byte.

    A large model on a CPU needs minutes, a small one on a GPU seconds.
    """

    def __post_init__(self) -> None:
        if urlsplit(self.inference_url).scheme not in ("http", "https"):
            raise SettingsError(f"INFERENCE_URL={self.inference_url!r}: must begin with http:// or https://")
        for name in ("inference_concurrency", "inference_timeout_s"):
            # With no request in flight an evaluation would be over before it began.
            if getattr(self, name) < 1:
                raise SettingsError(f"{name.upper()}={getattr(self, name)}: must be at least 1")
