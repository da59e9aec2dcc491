"""The JSON of an external report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import marshmallow as ma
from marshmallow import validate

from services.evaluations.api.strict_fields import Ratio, StrictBoolean, is_ratio
from services.evaluations.records.evaluations import TERMINAL
from services.evaluations.scoring.metrics import RATIOS, ROLES
from shared.http.fields import Items, Time, depth_problem
from shared.http.schemas import BodySchema, UpdateSchema

MIB = 2**20
WINNERS = ("fine_tuned", "base_model", "tie")


class ReportedExampleSchema(BodySchema):
    """An example as an outside worker reports it; what it leaves out is derived."""

    input = ma.fields.String(required=True)
    expected = ma.fields.String(required=True)
    base_model_output = ma.fields.String(allow_none=True)
    base_model_correct = StrictBoolean(allow_none=True)
    fine_tuned_output = ma.fields.String(allow_none=True)
    fine_tuned_correct = StrictBoolean(allow_none=True)
    winner = ma.fields.String(allow_none=True, validate=validate.OneOf(WINNERS))
    error = ma.fields.String(allow_none=True, validate=validate.Length(1, 255))
    base_model_score = Ratio(allow_none=True)
    fine_tuned_score = Ratio(allow_none=True)
    tokens = ma.fields.Raw()
    judge = ma.fields.Raw(allow_none=True)
    url = ma.fields.String()
    """This and the two before it are taken as the detail shows them, and not kept."""


class Results(ma.fields.Dict):
    """Metrics of both roles: the four ratios are numbers from 0 to 1 or null, all else is the worker's own.

    ``base_model`` is null where there is none.
    """

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.make_error("invalid")
        results: dict[str, Any] = value
        errors: dict[str, Any] = {}
        for role in ROLES:
            figures = results.get(role)
            if role == "base_model" and figures is None and role in results:
                continue
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
    examples = Items(ma.fields.Nested(ReportedExampleSchema))
    error = ma.fields.String(allow_none=True, validate=validate.Length(1, 10_000))
    completed_at = Time(allow_none=True)
