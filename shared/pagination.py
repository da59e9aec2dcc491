"""Pages of a list: the query parameters, the envelope, and the query that fills it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import marshmallow as ma
from peewee import SQL, fn

from shared.fields import QueryInteger, QuerySchema

MAX_PAGE_SIZE = 100
DEFAULT_PAGE_SIZE = 10


class PageQuery(QuerySchema):
    """``page`` from 1, ``limit`` 1 to 100."""

    page = QueryInteger(minimum=1, load_default=1)
    limit = QueryInteger(minimum=1, maximum=MAX_PAGE_SIZE, load_default=DEFAULT_PAGE_SIZE)


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


def page_schema(item: type[ma.Schema], name: str) -> type[ma.Schema]:
    """Return the schema of the envelope ``{"data", "total", "page", "limit"}`` around ``item``."""
    return ma.Schema.from_dict(
        {
            "data": ma.fields.List(ma.fields.Nested(item)),
            "total": ma.fields.Integer(),
            "page": ma.fields.Integer(),
            "limit": ma.fields.Integer(),
        },
        name=name,
    )
