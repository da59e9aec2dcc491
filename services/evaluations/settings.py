"""The settings of an evaluations process, and of the worker beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
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
    inference_url: str = field(repr=False)
    """Ends in ``/v1``; may have a user and a password (sent as Basic authentication), and a query."""
    inference_api_key: str | None = field(default=None, repr=False)
    inference_concurrency: int = 8
    """Requests in flight; more than the server works on at once only wait there, and count as its answer time."""
    inference_order: Order = "interleave"
    """``blocks`` asks first the one model all rows and then the other: for a server that cannot keep both loaded."""
    inference_timeout_s: int = 120
    """How long one answer may take, to its last byte.

    A large model on a CPU needs minutes, a small one on a GPU seconds.
    """
    inference_patience_s: int = 600
    """How long a run waits for a server that answers nothing, be it busy or away, before it fails."""

    def __post_init__(self) -> None:
        # Neither is shown: the one may hold a password, the other is one.
        if not self.inference_url.startswith(("http://", "https://")):
            raise SettingsError("INFERENCE_URL: must begin with http:// or https://")
        if not (_is_visible(self.inference_url) and _has_host_and_port(self.inference_url)):
            raise SettingsError("INFERENCE_URL: is no valid URL")
        if not _is_visible(self.inference_api_key or ""):
            raise SettingsError("INFERENCE_API_KEY: must be visible ASCII characters")
        for name in ("inference_concurrency", "inference_timeout_s", "inference_patience_s"):
            # With no request in flight an evaluation would be over before it began.
            if getattr(self, name) < 1:
                raise SettingsError(f"{name.upper()}={getattr(self, name)}: must be at least 1")


def _is_visible(text: str) -> bool:
    return all("!" <= character <= "~" for character in text)


def _has_host_and_port(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
