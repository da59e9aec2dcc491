"""The settings of an evaluations process, and of the worker beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from shared.s3.client import S3Settings
from shared.settings import HttpUrl, Positive, RedisUrl, Visible

Order = Literal["interleave", "blocks"]


@dataclass(frozen=True)
class Settings(S3Settings):
    database_url: str
    redis_url: RedisUrl
    models_url: HttpUrl


@dataclass(frozen=True)
class WorkerSettings(Settings):
    inference_url: HttpUrl = field(repr=False)
    """Ends in ``/v1``; may have a user and a password (sent as Basic authentication), and a query."""
    inference_api_key: Visible | None = field(default=None, repr=False)
    inference_concurrency: Positive = 8
    """Requests in flight; more than the server works on at once only wait there, and count as its answer time."""
    inference_order: Order = "interleave"
    """``blocks`` asks first the one model all rows and then the other: for a server that cannot keep both loaded."""
    inference_timeout_s: Positive = 120
    """How long one answer may take, to its last byte.

    A large model on a CPU needs minutes, a small one on a GPU seconds.
    """
    inference_patience_s: Positive = 600
    """How long a run waits for a server that answers nothing, be it busy or away, before it fails."""
