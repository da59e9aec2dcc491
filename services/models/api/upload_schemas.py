"""The JSON of uploads in parts."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import validate

from services.models.api.fields import FilePath
from shared.http.fields import Integer, Items, Time
from shared.http.pagination import page_schema
from shared.http.schemas import BodySchema
from shared.s3.multipart import MAX_OBJECT_BYTES, MAX_PARTS


class NewUploadSchema(BodySchema):
    path = FilePath(required=True)
    size = Integer(required=True, minimum=0, maximum=MAX_OBJECT_BYTES)
    sha256 = ma.fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Regexp("[0-9a-fA-F]{64}\\Z", error="Must be 64 hexadecimal digits."),
    )


class UploadSchema(ma.Schema):
    upload_id = ma.fields.Integer(attribute="id")
    path = ma.fields.String()
    size = ma.fields.Integer()
    part_size = ma.fields.Integer()
    status = ma.fields.String()
    expires_at = Time()


UploadPageSchema = page_schema(UploadSchema, "UploadPage")


class _PartLinkSchema(ma.Schema):
    number = ma.fields.Integer()
    url = ma.fields.String()


class _PartSchema(BodySchema):
    number = Integer(required=True, minimum=1, maximum=MAX_PARTS)
    etag = ma.fields.String(required=True, validate=validate.Length(1, 255))


class UploadProgressSchema(UploadSchema):
    """An upload with links to what is missing of it."""

    parts = ma.fields.List(ma.fields.Nested(_PartLinkSchema))
    uploaded = ma.fields.List(ma.fields.Nested(_PartSchema))


class CompleteSchema(BodySchema):
    parts = Items(ma.fields.Nested(_PartSchema), required=True, validate=validate.Length(max=MAX_PARTS))
