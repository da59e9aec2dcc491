"""One page of a query's rows, and how many there are in all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from peewee import SQL, fn


@dataclass(frozen=True)
class Page:
    """One page of ``total`` rows; past the end ``data`` is empty and ``total`` still true."""

    data: list[Any]
    total: int
    page: int
    limit: int


def paginate(query: Any, page: int, limit: int) -> Page:
    """Run an ordered peewee query of one table for one page, and count all that it finds."""
    # Not peewee's count(): that counts a subquery, for which SQLite takes twice as long.
    total = query.order_by().select(fn.COUNT(SQL("*"))).scalar()
    offset = (page - 1) * limit
    # A page beyond the end needs no query, and its offset may be beyond what the database can count to.
    rows = list(query.offset(offset).limit(limit)) if offset < total else []
    return Page(data=rows, total=total, page=page, limit=limit)
