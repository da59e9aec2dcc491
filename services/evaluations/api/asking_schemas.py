"""The JSON of how an evaluation asks: its prompt and the parameters of its generation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import marshmallow as ma
from marshmallow import validate

from services.evaluations.datasets.prompt_template import TemplateProblem, compile_template
from shared.http.fields import Integer, Items, JSONObject, Number, Text
from shared.http.schemas import BodySchema

_MAX_TEXT = 100_000
_MAX_EXAMPLES = 100
_OWN = frozenset({"model", "messages", "prompt", "stream", "n"})


class Stop(ma.fields.Field[Any]):
    """A text at which the generation stops, or up to 16 of them."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        texts = value if isinstance(value, list) else [value]
        if not 1 <= len(texts) <= 16 or not all(isinstance(text, str) and 0 < len(text) <= 255 for text in texts):
            raise ma.ValidationError("Must be a text of 1 to 255 characters, or a list of up to 16.")
        return value


class ShotSchema(BodySchema):
    input = Text(required=True, validate=validate.Length(0, _MAX_TEXT))
    expected = Text(required=True, validate=validate.Length(1, _MAX_TEXT))


class ShotsFromSchema(BodySchema):
    test_set_path = ma.fields.String(required=True, validate=validate.Length(1, 1100))
    count = Integer(required=True, minimum=1, maximum=_MAX_EXAMPLES)
    seed = Integer(load_default=0)


class PromptSchema(BodySchema):
    system = Text(allow_none=True, validate=validate.Length(1, _MAX_TEXT))
    template = Text(validate=validate.Length(1, 10_000))
    examples = Items(ma.fields.Nested(ShotSchema), validate=validate.Length(0, _MAX_EXAMPLES))
    examples_from = ma.fields.Nested(ShotsFromSchema, allow_none=True)

    @ma.validates("template")
    def _require_template(self, value: str, data_key: str) -> None:
        try:
            compile_template(value)
        except TemplateProblem as error:
            raise ma.ValidationError(f"Is no template: {error}.") from error


class ParametersSchema(BodySchema):
    max_tokens = Integer(minimum=1, maximum=10**6, allow_none=True)
    temperature = Number(allow_none=True, validate=validate.Range(0, 10))
    top_p = Number(allow_none=True, validate=validate.Range(0, 1))
    stop = Stop(allow_none=True)
    seed = Integer(allow_none=True)
    extra_body = JSONObject()

    @ma.validates("extra_body")
    def _leave_our_own(self, value: dict[str, Any], data_key: str) -> None:
        if named := sorted(_OWN & value.keys()):
            raise ma.ValidationError(f"Must not have {', '.join(named)}.")


class GenerationSchema(ParametersSchema):
    base_model = ma.fields.Nested(ParametersSchema)
    fine_tuned = ma.fields.Nested(ParametersSchema)
