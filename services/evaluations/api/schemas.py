"""The JSON of evaluations and their examples."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import validate

from services.evaluations.api.asking_schemas import GenerationSchema, PromptSchema
from services.evaluations.api.report_schemas import WINNERS
from services.evaluations.api.scoring_schemas import Scoring
from services.evaluations.api.strict_fields import Ratio, StrictBoolean
from services.evaluations.records.evaluations import STATUSES
from services.evaluations.scoring.metrics import ROLES
from shared.http.fields import Integer, QueryBoolean, QueryInteger, Text, Time
from shared.http.pagination import PageQuery, page_schema
from shared.http.schemas import BodySchema

_NAME = validate.Length(1, 255)


def _require_null(base: Any) -> None:
    raise ma.ValidationError("Must be null, for none; another base is named by base_model_name or base_model_id.")


class TextOrNull(ma.fields.String):
    """A text of which none is stored as an empty one."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return value or None


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
        """Return the values of the columns: the rule, its parameters, and whether labels are extracted."""
        wanted = dict(new["scoring"] or {})
        extract = wanted.pop("extract_label", False) or new["extract_label"]
        rule = wanted.pop("rule", None)
        return new | {"scoring": rule, "scoring_parameters": wanted or None, "extract_label": extract}


class NewEvaluationSchema(ScoreSchema):
    base = ma.fields.Raw(load_default=True, allow_none=True, validate=_require_null)
    """Null evaluates one model alone."""
    base_model_id = Integer(load_default=None, minimum=1)
    test_set_path = ma.fields.String(required=True, validate=validate.Length(1, 1100))
    base_model_name = ma.fields.String(load_default=None, validate=_NAME)
    fine_tuned_served_name = ma.fields.String(load_default=None, validate=_NAME)
    max_error_rate = Ratio(load_default=0.05)
    allow_same_model = StrictBoolean(load_default=False)
    reuse_base = StrictBoolean(load_default=False)
    prompt = ma.fields.Nested(PromptSchema, load_default=None, allow_none=True)
    generation = ma.fields.Nested(GenerationSchema, load_default=None, allow_none=True)

    @ma.validates_schema
    def _require_one_base(self, new: dict[str, Any], **kwargs: Any) -> None:
        for name in ("base_model_name", "base_model_id", "reuse_base"):
            if new.get("base", True) is None and new.get(name):
                raise ma.ValidationError("Must not be given where base is null.", name)
        if new.get("base", True) is None and (new.get("scoring") or {}).get("rule") == "judge":
            raise ma.ValidationError("judge compares two models, and base is null.", "scoring")


class RetrySchema(BodySchema):
    """What a retry may change; it may come without a body."""

    optional = True

    max_error_rate = Ratio(load_default=None)


class CreatedSchema(ma.Schema):
    id = ma.fields.Integer(data_key="evaluation_id")
    status = ma.fields.String()
    message = ma.fields.Constant("Evaluation job created")


def _tokens_of(example: dict[str, Any]) -> dict[str, dict[str, int | None]] | None:
    """Return by role what the server counted of a row's answer, None where it counted nothing."""
    kinds = ("input", "output")
    tokens = {role: {kind: example[f"{role}_{kind}_tokens"] for kind in kinds} for role in ROLES}
    return tokens if any(count is not None for each in tokens.values() for count in each.values()) else None


def _verdicts_of(example: dict[str, Any]) -> dict[str, str] | None:
    """Return a judge's verdicts by the model whose answer was shown first, None without a judge."""
    if example["judge_base_first"] is None:
        return None
    return {"base_model_first": example["judge_base_first"], "fine_tuned_first": example["judge_tuned_first"]}


_WHERE_KNOWN = frozenset({"base_model_score", "fine_tuned_score", "tokens", "judge"})


class ExampleSchema(ma.Schema):
    input = ma.fields.String()
    expected = ma.fields.String()
    base_model_output = ma.fields.String(allow_none=True)
    base_model_correct = ma.fields.Boolean(allow_none=True)
    fine_tuned_output = ma.fields.String(allow_none=True)
    fine_tuned_correct = ma.fields.Boolean(allow_none=True)
    winner = ma.fields.String(allow_none=True, validate=validate.OneOf(WINNERS))
    error = ma.fields.String(allow_none=True)
    base_model_score = ma.fields.Float()
    fine_tuned_score = ma.fields.Float()
    tokens = ma.fields.Function(_tokens_of, metadata={"type": "object"})
    judge = ma.fields.Function(_verdicts_of, metadata={"type": "object"})
    url = ma.fields.String()
    """Of the whole row, where it is cut."""

    @ma.post_dump
    def _leave_out(self, shown: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        return {name: value for name, value in shown.items() if value is not None or name not in _WHERE_KNOWN}


class ListedSchema(ma.Schema):
    """An evaluation in a list."""

    id = ma.fields.Integer(data_key="ID")
    model_id = ma.fields.Integer()
    status = ma.fields.String()
    test_set_path = ma.fields.String()
    base_model_name = TextOrNull(allow_none=True)
    base_model_id = ma.fields.Integer(allow_none=True)
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
    answers = ma.fields.Integer()
    answers_total = ma.fields.Integer(allow_none=True)
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
    test_set_path = Text(validate=validate.Length(1, 1100))
    model_id = QueryInteger(minimum=1)
    status = Text(validate=validate.OneOf(STATUSES))


class ExamplesQuery(PageQuery):
    winner = Text(validate=validate.OneOf(WINNERS))
    error = QueryBoolean()


EvaluationPageSchema = page_schema(ListedSchema, "EvaluationPage")
ExamplePageSchema = page_schema(ExampleSchema, "ExamplePage")
