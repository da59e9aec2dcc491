"""The queries and bodies of the Hub API, whose clients send more with each version: what is unknown is ignored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import marshmallow as ma

from shared.http.fields import BodySchema, QueryBoolean, QuerySchema, QueryText

MAX_FILES = 10_000


class AnyCaseBoolean(QueryBoolean):
    """``true`` and ``True`` alike: clients of Python send both."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        return super()._deserialize(str(value).lower(), attr, data, **kwargs)


class InfoQuery(QuerySchema):
    blobs = AnyCaseBoolean(load_default=False)


class TreeQuery(QuerySchema):
    recursive = AnyCaseBoolean(load_default=False)
    after = QueryText(data_key="cursor", load_default="")


class _TolerantSchema(BodySchema):
    class Meta:
        unknown = ma.EXCLUDE
