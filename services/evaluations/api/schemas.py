"""The JSON of evaluations, their examples, and test sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import marshmallow as ma
from marshmallow import validate

from services.evaluations.api.asking_schemas import GenerationSchema, PromptSchema
from services.evaluations.api.scoring_schemas import Scoring, split_scoring
from services.evaluations.datasets.test_sets import BUCKET
from services.evaluations.records.evaluations import STATUSES, TERMINAL
from services.evaluations.scoring.metrics import RATIOS, ROLES
from shared.http.fields import (
    BodySchema,
    QueryBoolean,
    QueryInteger,
    QuerySchema,
    QueryText,
    Time,
    UpdateSchema,
    depth_problem,
)
from shared.http.pagination import PageQuery, page_schema

MIB = 2**20
_WINNERS = ("fine_tuned", "base_model", "tie")
_NAME = validate.Length(1, 255)


class StrictBoolean(ma.fields.Boolean):
    """``true`` and ``false``; marshmallow's own also takes "yes" and 1."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        if type(value) is not bool:
            raise self.make_error("invalid", input=value)
        return value


class Ratio(ma.fields.Float):
    """A number from 0 to 1; marshmallow's own also takes "0.5", true and NaN."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> float:
        if not is_ratio(value):
            raise ma.ValidationError("Must be a number from 0 to 1.")
        return float(value)


def is_ratio(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1


class ScoreSchema(BodySchema):
    """How answers are scored."""

    scoring = Scoring(load_default=None, allow_none=True)
    extract_label = StrictBoolean(load_default=False)

    @ma.validates_schema
    def _require_labels(self, new: dict[str, Any], **kwargs: Any) -> None:
        rule = (new.get("scoring") or {"rule": "labels"})["rule"]
        if new.get("extract_label") and rule != "labels":
            raise ma.ValidationError(f"Needs labels, and scoring is {rule}.", "extract_label")

    @ma.post_load
    def _split(self, new: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        return split_scoring(new)


class NewEvaluationSchema(ScoreSchema):
    test_set_path = ma.fields.String(required=True, validate=validate.Length(1, 1100))
    base_model_name = ma.fields.String(load_default=None, validate=_NAME)
    fine_tuned_served_name = ma.fields.String(load_default=None, validate=_NAME)
    max_error_rate = Ratio(load_default=0.05)
    allow_same_model = StrictBoolean(load_default=False)
    prompt = ma.fields.Nested(PromptSchema, load_default=None, allow_none=True)
    generation = ma.fields.Nested(GenerationSchema, load_default=None, allow_none=True)


class RetrySchema(BodySchema):
    """What a retry may change; it may come without a body."""

    optional = True

    max_error_rate = Ratio(load_default=None)


class CreatedSchema(ma.Schema):
    id = ma.fields.Integer(data_key="evaluation_id")
    status = ma.fields.String()
    message = ma.fields.Constant("Evaluation job created")


class ExampleSchema(ma.Schema):
    input = ma.fields.String()
    expected = ma.fields.String()
    base_model_output = ma.fields.String(allow_none=True)
    base_model_correct = ma.fields.Boolean(allow_none=True)
    fine_tuned_output = ma.fields.String(allow_none=True)
    fine_tuned_correct = ma.fields.Boolean(allow_none=True)
    winner = ma.fields.String(allow_none=True, validate=validate.OneOf(_WINNERS))
    error = ma.fields.String(allow_none=True)
    url = ma.fields.String()
    """Of the whole row, where it is cut."""


class ReportedExampleSchema(BodySchema):
    """An example as an outside worker reports it; what it leaves out is derived."""

    input = ma.fields.String(required=True)
    expected = ma.fields.String(required=True)
    base_model_output = ma.fields.String(allow_none=True)
    base_model_correct = StrictBoolean(allow_none=True)
    fine_tuned_output = ma.fields.String(allow_none=True)
    fine_tuned_correct = StrictBoolean(allow_none=True)
    winner = ma.fields.String(allow_none=True, validate=validate.OneOf(_WINNERS))
    error = ma.fields.String(allow_none=True, validate=_NAME)
    url = ma.fields.String()


class Results(ma.fields.Dict):
    """Metrics of both roles: the four ratios are numbers from 0 to 1 or null, all else is the worker's own."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.make_error("invalid")
        results: dict[str, Any] = value
        errors: dict[str, Any] = {}
        for role in ROLES:
            figures = results.get(role)
            if not isinstance(figures, dict):
                errors[role] = ["Must be an object of metrics."]
                continue
            wrong = [name for name in RATIOS if figures.get(name) is not None and not is_ratio(figures[name])]
            if wrong:
                errors[role] = {name: ["Must be a number from 0 to 1, or null."] for name in wrong}
        if not isinstance(results.get("improvement"), dict | None):
            errors["improvement"] = ["Must be an object."]
        if errors:
            raise ma.ValidationError(errors)
        if (problem := depth_problem(results)) is not None:
            raise ma.ValidationError(problem)
        return results


class ReportSchema(UpdateSchema):
    """How an outside worker ends an evaluation."""

    body_limit = 8 * MIB

    status = ma.fields.String(required=True, validate=validate.OneOf(sorted(TERMINAL)))
    results = Results(allow_none=True)
    examples = ma.fields.List(ma.fields.Nested(ReportedExampleSchema))
    error = ma.fields.String(allow_none=True, validate=validate.Length(1, 10_000))
    completed_at = Time(allow_none=True)


class ListedSchema(ma.Schema):
    """An evaluation in a list."""

    id = ma.fields.Integer(data_key="ID")
    model_id = ma.fields.Integer()
    status = ma.fields.String()
    test_set_path = ma.fields.String()
    base_model_name = ma.fields.String()
    fine_tuned_name = ma.fields.String()
    error = ma.fields.String(allow_none=True)
    created_at = Time()
    started_at = Time(allow_none=True)
    completed_at = Time(allow_none=True)


class RecordSchema(ListedSchema):
    """An evaluation as the answer to a report has it."""

    fine_tuned_served_name = ma.fields.String()
    results = ma.fields.Dict(allow_none=True)
    examples = ma.fields.List(ma.fields.Nested(ExampleSchema))


class ProgressSchema(ma.Schema):
    done = ma.fields.Integer()
    total = ma.fields.Integer(allow_none=True)
    errors = ma.fields.Integer()
    eta_seconds = ma.fields.Integer(allow_none=True)
    message = ma.fields.String(allow_none=True)
    warnings = ma.fields.List(ma.fields.String())


class DetailSchema(RecordSchema):
    """An evaluation by itself, where the document spells the id in small letters."""

    id = ma.fields.Integer()
    progress = ma.fields.Nested(ProgressSchema, allow_none=True)
    provenance = ma.fields.Dict(allow_none=True)
    stale = ma.fields.Boolean(allow_none=True)


class EvaluationsQuery(PageQuery):
    test_set_path = QueryText(validate=validate.Length(1, 1100))
    model_id = QueryInteger(minimum=1)
    status = QueryText(validate=validate.OneOf(STATUSES))


class ExamplesQuery(PageQuery):
    winner = QueryText(validate=validate.OneOf(_WINNERS))
    error = QueryBoolean()


class TestSetSchema(ma.Schema):
    name = ma.fields.String()
    path = ma.fields.Function(lambda test_set: f"{BUCKET}/{test_set.name}", metadata={"type": "string"})
    size = ma.fields.Integer()
    rows = ma.fields.Integer()
    sha256 = ma.fields.String()


class ListedTestSetSchema(TestSetSchema):
    created_at = Time()


class TestSetDetailSchema(ListedTestSetSchema):
    labels = ma.fields.List(ma.fields.String(), allow_none=True)
    classes = ma.fields.Dict(allow_none=True)
    duplicates = ma.fields.Integer(allow_none=True)
    fields_ = ma.fields.Raw(attribute="fields", data_key="fields", allow_none=True)
    reading = ma.fields.Dict(allow_none=True)


class ReadingQuery(QuerySchema):
    """How an upload is read; the format is known by the name's end, else by its first character."""

    format = QueryText(load_default=None, validate=validate.OneOf(("json", "csv", "tsv")))
    input = QueryText(load_default="input", validate=_NAME)
    expected = QueryText(load_default="expected", validate=_NAME)


class RowSchema(ma.Schema):
    row = ma.fields.Integer()
    input = ma.fields.String()
    expected = ma.fields.String()
    fields_ = ma.fields.Raw(data_key="fields", attribute="fields")


EvaluationPageSchema = page_schema(ListedSchema, "EvaluationPage")
ExamplePageSchema = page_schema(ExampleSchema, "ExamplePage")
RowPageSchema = page_schema(RowSchema, "RowPage")
TestSetPageSchema = page_schema(ListedTestSetSchema, "TestSetPage")
