"""Pages of a list: the query parameters and the envelope."""

from __future__ import annotations

import marshmallow as ma

from shared.http.fields import QueryInteger, QuerySchema

MAX_PAGE_SIZE = 100
DEFAULT_PAGE_SIZE = 10


class PageQuery(QuerySchema):
    """``page`` from 1, ``limit`` 1 to 100. An unknown parameter is refused: a filter that is not applied misleads."""

    class Meta:
        unknown = ma.RAISE

    page = QueryInteger(minimum=1, load_default=1)
    limit = QueryInteger(minimum=1, maximum=MAX_PAGE_SIZE, load_default=DEFAULT_PAGE_SIZE)


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
