"""Addresses of the service, as users name them: with `/api/v1` or without."""

from __future__ import annotations

from urllib.parse import urlsplit


def base_url(url: str) -> str:
    """Return the address without `/api/v1`, which it may end in; ValueError where it is none."""
    parts = urlsplit(url)
    is_web = parts.scheme in ("http", "https") and parts.hostname and not parts.username
    if not is_web or parts.query or parts.fragment:
        raise ValueError(f"the address must be like http://localhost:8080, not {url!r}")
    if parts.port == 0:  # which raises by itself where it is no number
        raise ValueError(f"{url!r} has no port that anything could listen on")
    return base_of(f"{parts.scheme}://{parts.netloc}{parts.path}")


def base_of(url: str) -> str:
    """Return a gateway's or service's address without `/api/v1`, with which users name it as well."""
    stripped = url.strip().rstrip("/")
    return stripped[: -len("/api/v1")].rstrip("/") if stripped.endswith("/api/v1") else stripped
