"""Whether a request was meant for us (its ``Host``), and whether a page of somebody else's made it; pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from urllib.parse import urlsplit

from shared.auth.settings import AuthSettings

_LOOPBACK_NAMES = ("localhost", "ip6-localhost")

_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::[0-9]*)?")

Header = Callable[[str], str | None]


def allowed_names(settings: AuthSettings) -> frozenset[str]:
    """Return the names by which a service may be addressed, in small letters; ``*`` among them is any."""
    urls = (
        settings.public_url,
        settings.gateway_url,
        settings.logs_url,
        settings.models_url,
        settings.evaluations_url,
    )
    of_urls = [urlsplit(url).hostname or "" for url in urls if url]
    given = [name.strip().lower() for name in (settings.allowed_hosts or "").split(",")]
    return frozenset({*_LOOPBACK_NAMES, *of_urls, *given, (settings.host or "").lower()} - {""})


def is_allowed(host: str, names: frozenset[str]) -> bool:
    """Whether a Host header is one of the names or an address: to rebind DNS needs a name.

    A page on a name of its own that resolves to our address would be of our origin to its browser.
    """
    if not host:
        return True
    match = _HOST.fullmatch(host)
    if match is None:
        return False
    name = (match[1] or match[2]).lower()
    return "*" in names or name.rstrip(".") in names or name.endswith(".localhost") or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether what listens on ``host`` is reached from this machine alone."""
    if host.lower() in _LOOPBACK_NAMES:
        return True
    return _is_address(host) and ipaddress.ip_address(host).is_loopback


def is_foreign_page(header: Header, origins: str) -> bool:
    """Whether a page of another site, or of another port of this host, makes a request; not those in ``origins``."""
    if header("Sec-Fetch-Site") not in ("cross-site", "same-site"):
        return False
    named = {origin.strip() for origin in origins.split(",")}
    return "*" not in named and (header("Origin") or "") not in named - {""}


def is_same_origin(header: Header) -> bool:
    """Whether a page of ours makes a request: its browser says so, or names an origin with our Host."""
    site, origin = header("Sec-Fetch-Site"), header("Origin") or ""
    if site is not None:
        return site == "same-origin"
    return origin.partition("://")[2].lower() == (header("Host") or "").lower() != ""
