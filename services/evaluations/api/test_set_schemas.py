"""The JSON of test sets and their rows."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import validate

from services.evaluations.api.scoring_schemas import RULES
from services.evaluations.datasets.test_sets import BUCKET
from shared.http.fields import Text, Time
from shared.http.pagination import page_schema
from shared.http.schemas import QuerySchema

_NAME = validate.Length(1, 255)


class TestSetSchema(ma.Schema):
    name = ma.fields.String()
    path = ma.fields.Function(lambda test_set: f"{BUCKET}/{test_set.name}", metadata={"type": "string"})
    size = ma.fields.Integer()
    rows = ma.fields.Integer()
    sha256 = ma.fields.String()


class ListedTestSetSchema(TestSetSchema):
    created_at = Time()
    label_count = ma.fields.Function(
        lambda test_set: None if test_set.labels is None else len(test_set.labels),
        metadata={"type": ["integer", "null"]},
    )


class TestSetDetailSchema(ListedTestSetSchema):
    labels = ma.fields.List(ma.fields.String(), allow_none=True)
    classes = ma.fields.Dict(allow_none=True)
    duplicates = ma.fields.Integer(allow_none=True)
    fields_ = ma.fields.Raw(attribute="fields", data_key="fields", allow_none=True)
    reading = ma.fields.Dict(allow_none=True)


class ReadingQuery(QuerySchema):
    """How an upload is read; the format is known by the name's end, else by its first character."""

    format = Text(load_default=None, validate=validate.OneOf(("json", "csv", "tsv")))
    input = Text(load_default="input", validate=_NAME)
    expected = Text(load_default="expected", validate=_NAME)


class RankingQuery(QuerySchema):
    scoring = Text(load_default=None, validate=validate.OneOf(RULES))


class RankedSchema(ma.Schema):
    model_id = ma.fields.Integer()
    name = ma.fields.String()
    evaluation_id = ma.fields.Integer()
    score = ma.fields.Float(allow_none=True)
    interval = ma.fields.List(ma.fields.Float(), allow_none=True)
    n = ma.fields.Integer()


class PairSchema(ma.Schema):
    a = ma.fields.Integer()
    b = ma.fields.Integer()
    n = ma.fields.Integer()
    p_value = ma.fields.Function(lambda pair: float(f"{pair.p_value:.4g}"), metadata={"type": "number"})
    p_value_adjusted = ma.fields.Function(
        lambda pair: float(f"{pair.p_value_adjusted:.4g}"), metadata={"type": "number"}
    )
    different = ma.fields.Boolean()


class RankingSchema(ma.Schema):
    test_set_path = ma.fields.String()
    sha256 = ma.fields.String()
    scoring = ma.fields.Dict(allow_none=True)
    test = ma.fields.String()
    total = ma.fields.Integer()
    data = ma.fields.List(ma.fields.Nested(RankedSchema))
    pairs = ma.fields.List(ma.fields.Nested(PairSchema))


class RowSchema(ma.Schema):
    row = ma.fields.Integer()
    input = ma.fields.String()
    expected = ma.fields.String()
    fields_ = ma.fields.Raw(data_key="fields", attribute="fields")


RowPageSchema = page_schema(RowSchema, "RowPage")
TestSetPageSchema = page_schema(ListedTestSetSchema, "TestSetPage")
