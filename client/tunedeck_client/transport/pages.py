"""The records of a list that the service gives in pages."""

from __future__ import annotations

from typing import Any, Dict, Mapping
from urllib.parse import urlencode

from tunedeck_client.transport.service import Service

PAGE = 100

Record = Dict[str, Any]
"""A record as docs/api.md shows it."""


def read_pages(service: Service, path: str, filters: Mapping[str, Any], most: float) -> list[Record]:
    """Return the first `most` records of the list at a path, those that the filters let through."""
    found: list[Record] = []
    number, total = 1, 1
    while len(found) < min(total, most):
        query = urlencode({**filters, "page": number, "limit": min(PAGE, most)})
        page = service.call("GET", f"{path}?{query}")
        if not page["data"]:
            break
        found += page["data"]
        number, total = number + 1, page["total"]
    return found if len(found) <= most else found[: int(most)]
