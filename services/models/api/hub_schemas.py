"""The queries and bodies of the Hub API, whose clients send more with each version: what is unknown is ignored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import marshmallow as ma
from marshmallow import validate

from services.models.api.fields import FilePath
from services.models.hub.commit_lines import MAX_OPERATIONS
from services.models.repo_ids import MAX_CHARS
from shared.http.fields import Integer, Items, QueryBoolean, Text
from shared.http.schemas import QuerySchema, TolerantBodySchema
from shared.s3.multipart import MAX_OBJECT_BYTES, MAX_PARTS

_BODY_BYTES = 8 * 2**20


class AnyCaseBoolean(QueryBoolean):
    """``true``, ``True`` and ``1`` alike: clients send each of them."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        text = {"0": "false", "1": "true"}.get(str(value), str(value).lower())
        return super()._deserialize(text, attr, data, **kwargs)


class InfoQuery(QuerySchema):
    blobs = AnyCaseBoolean(load_default=False)


class TreeQuery(QuerySchema):
    recursive = AnyCaseBoolean(load_default=False)
    after = Text(data_key="cursor", load_default="")


class NewRepositorySchema(TolerantBodySchema):
    name = ma.fields.String(required=True, validate=validate.Length(1, MAX_CHARS))
    organization = ma.fields.String(load_default=None, allow_none=True, validate=validate.Length(1, MAX_CHARS))
    type = ma.fields.String(load_default="model", allow_none=True)


class _AnnouncedFileSchema(TolerantBodySchema):
    path = FilePath(required=True)
    size = Integer(required=True, maximum=MAX_OBJECT_BYTES)


class PreuploadSchema(TolerantBodySchema):
    body_limit = _BODY_BYTES

    files = Items(ma.fields.Nested(_AnnouncedFileSchema), required=True, validate=validate.Length(max=MAX_OPERATIONS))


class LfsObjectSchema(TolerantBodySchema):
    oid = ma.fields.String(
        required=True, validate=validate.Regexp("[0-9a-f]{64}\\Z", error="Must be 64 hexadecimal digits.")
    )
    size = Integer(required=True, maximum=MAX_OBJECT_BYTES)


class LfsBatchSchema(TolerantBodySchema):
    body_limit = _BODY_BYTES

    operation = ma.fields.String(
        required=True, validate=validate.Equal("upload", error="Must be upload: files are read at …/resolve/….")
    )
    objects = Items(ma.fields.Nested(LfsObjectSchema), required=True, validate=validate.Length(max=MAX_OPERATIONS))


class _LfsPartSchema(TolerantBodySchema):
    number = Integer(required=True, minimum=1, maximum=MAX_PARTS, data_key="partNumber")
    etag = ma.fields.String(required=True, validate=validate.Length(1, 255))


class LfsCompleteSchema(TolerantBodySchema):
    body_limit = _BODY_BYTES

    parts = Items(ma.fields.Nested(_LfsPartSchema), required=True, validate=validate.Length(max=MAX_PARTS))


class CommitQuery(QuerySchema):
    create_pr = AnyCaseBoolean(load_default=False)
