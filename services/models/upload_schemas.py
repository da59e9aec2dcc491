"""The JSON of uploads in parts."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import validate

from services.models.multipart import MAX_BYTES, MAX_PARTS
from services.models.schemas import ObjectPath
from shared.fields import BodySchema, Integer, Time
from shared.pagination import page_schema


class NewUploadSchema(BodySchema):
    path = ObjectPath(required=True)
    size = Integer(required=True, minimum=1, maximum=MAX_BYTES)
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
    parts = ma.fields.List(ma.fields.Nested(_PartSchema), required=True, validate=validate.Length(1, MAX_PARTS))
