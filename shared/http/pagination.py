"""Pages of a list: the query parameters and the envelope."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from flask import request

from shared.errors import Unprocessable
from shared.http.fields import QueryInteger, Text
from shared.http.schemas import QuerySchema

MAX_PAGE_SIZE = 100
DEFAULT_PAGE_SIZE = 10


class PageQuery(QuerySchema):
    """``page`` from 1, ``limit`` 1 to 100, ``fields`` a list of names.

    An unknown parameter is refused: a filter that is not applied misleads.
    """

    class Meta:
        unknown = ma.RAISE

    page = QueryInteger(minimum=1, load_default=1)
    limit = QueryInteger(minimum=1, maximum=MAX_PAGE_SIZE, load_default=DEFAULT_PAGE_SIZE)
    shown = Text(data_key="fields")

    @ma.post_load
    def leave_out_fields(self, query: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Keep ``fields`` from the list's own filters: it is for the answer, whose schema reads it."""
        query.pop("shown", None)
        return query


class _PageSchema(ma.Schema):
    @ma.post_dump
    def show_fields(self, page: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Leave of each record what ``?fields=ID,name`` names; Unprocessable where a record has no such field."""
        asked = request.args.get("fields")
        if asked is None:
            return page
        item = self.fields["data"].inner.schema  # type: ignore[attr-defined]
        known = {field.data_key or name for name, field in item.fields.items()}
        wanted = set(asked.split(","))
        if unknown := wanted - known:
            problem = f"There is no {', '.join(sorted(unknown))!r}; there are {', '.join(sorted(known))}."
            raise Unprocessable.field("fields", problem)
        page["data"] = [{name: value for name, value in record.items() if name in wanted} for record in page["data"]]
        return page


def page_schema(item: type[ma.Schema], name: str) -> type[ma.Schema]:
    """Return the schema of the envelope ``{"data", "total", "page", "limit"}`` around ``item``."""
    return _PageSchema.from_dict(
        {
            "data": ma.fields.List(ma.fields.Nested(item)),
            "total": ma.fields.Integer(),
            "page": ma.fields.Integer(),
            "limit": ma.fields.Integer(),
        },
        name=name,
    )
