"""The address by which a client reached the gateway: what links in answers begin with; pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

_HOST = re.compile(r"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")


@dataclass(frozen=True)
class GatewayAddress:
    """``public_url`` where it is set, else what the request's headers say, else ``local_url``."""

    local_url: str
    public_url: str | None = None

    def of(self, header: Callable[[str], str | None]) -> str:
        """The gateway sets both headers itself, whatever a client sent; a request without them came past it."""
        if self.public_url is not None:
            return self.public_url.rstrip("/")
        scheme, host = header("X-Forwarded-Proto"), header("Host") or ""
        if scheme in ("http", "https") and _HOST.fullmatch(host):
            return f"{scheme}://{host}"
        return self.local_url.rstrip("/")
