"""The settings of an evaluations process, and of the worker beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Order = Literal["interleave", "blocks"]


@dataclass(frozen=True)
class Settings:
    database_url: str
    redis_url: str
    s3_endpoint: str
    s3_region: str
    s3_access_key: str
    s3_secret_key: str
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
