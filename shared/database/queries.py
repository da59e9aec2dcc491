"""Queries in short: bare rows, and one row or a 404."""

from __future__ import annotations

from typing import Any

from shared.errors import NotFound


def get_or_404(query: Any, what: str) -> Any:
    """Return the one row that a peewee query finds, or raise NotFound: "There is no <what>."."""
    row = query.get_or_none()
    if row is None:
        raise NotFound(f"There is no {what}.")
    return row


def tuples(query: Any) -> list[tuple[Any, ...]]:
    """Run a peewee query and return its rows as bare tuples."""
    return list(query.tuples())
