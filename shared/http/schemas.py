"""Bases of the schemas of bodies and query strings: what becomes of fields that a schema does not know."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any, ClassVar

import marshmallow as ma

from shared.errors import Unprocessable
from shared.http import strict_json
from shared.http.fields import MOST_ERRORS


class BodySchema(ma.Schema):
    """A JSON body: unknown fields are refused, and so are more than ``body_limit`` bytes.

    Where it is ``optional``, no body at all is one without fields.
    """

    body_limit: ClassVar[int] = 2**20
    optional: ClassVar[bool] = False
    decode = staticmethod(strict_json.loads)

    class Meta:
        unknown = ma.RAISE

    @ma.pre_load
    def refuse_many_unknown(self, data: Any, **kwargs: Any) -> Any:
        """Raise ValidationError of the first unknown fields, where there are many: marshmallow tells of a million."""
        if self.unknown == ma.RAISE and isinstance(data, dict) and len(data) > len(self.load_fields) + MOST_ERRORS:
            known = {field.data_key or name for name, field in self.load_fields.items()}
            unknown = islice((name for name in data if name not in known), MOST_ERRORS)
            raise ma.ValidationError({name: ["Unknown field."] for name in unknown})
        return data


class QuerySchema(ma.Schema):
    """A query string: unknown parameters are ignored."""

    class Meta:
        unknown = ma.EXCLUDE


class UpdateSchema(BodySchema):
    """A PUT body: the fields that may change. The record's other fields pass here and go to ``only_changes``."""

    class Meta:
        unknown = ma.INCLUDE


class TolerantBodySchema(BodySchema):
    """A JSON body of another project's protocol, which may have more fields with each version: they are ignored."""

    class Meta:
        unknown = ma.EXCLUDE


def only_changes(body: Mapping[str, Any], schema: type[UpdateSchema], present: Mapping[str, Any]) -> dict[str, Any]:
    """Return the writable part of a PUT body, so that a client may send back what it got, edited.

    ``present`` is the record as the API shows it: a read-only field that still has its value is dropped, one with
    another value and one that no record has are refused (Unprocessable, naming them).
    """
    errors: dict[str, list[str]] = {}
    changes: dict[str, Any] = {}
    fields = schema().fields
    writable = {*fields, *(field.attribute for field in fields.values())}
    for name, value in body.items():
        if name in writable:
            changes[name] = value
        elif name not in present:
            errors[name] = ["Unknown field."]
        elif value != present[name]:
            errors[name] = ["Is read-only."]
    if errors:
        name, problems = next(iter(errors.items()))
        raise Unprocessable(f"{name}: {problems[0]}", errors=dict(islice(errors.items(), MOST_ERRORS)))
    return changes
