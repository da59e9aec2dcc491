"""Where and as whom the service is asked: its address, as users name it, and the header of a token."""

from __future__ import annotations

from urllib.parse import urlsplit


def base_url(url: str) -> str:
    """Return the address without `/api/v1`, which it may end in; ValueError where it is none."""
    parts = urlsplit(url.strip())
    is_web = parts.scheme in ("http", "https") and parts.hostname and not parts.username
    if not is_web or parts.query or parts.fragment:
        raise ValueError(f"the address must be a url like http://localhost:8080, not {url!r}")
    if parts.port == 0:  # which raises by itself where it is no number
        raise ValueError(f"{url!r} has no port that anything could listen on")
    path = parts.path.rstrip("/")
    if path.endswith("/api/v1"):
        path = path[: -len("/api/v1")].rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path}"


def authorization(token: str | None) -> dict[str, str]:
    """Return the header that a token goes by, none without one; ValueError where no header can have it."""
    if not token:
        return {}
    if not (token.isascii() and token.isprintable()):
        raise ValueError("the token must be printable ASCII")
    return {"Authorization": f"Bearer {token}"}
