"""The JSON of how answers are scored: the name of a rule, or a rule with what it takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import marshmallow as ma

from services.evaluations.scoring.patterns import PatternProblem, compile_pattern
from shared.http.fields import Number
from shared.http.strict_json import text_problem

_TAKES: dict[str, tuple[str, ...]] = {
    "labels": ("extract_label",),
    "text": (),
    "exact": (),
    "contains": (),
    "number": ("tolerance",),
    "json": ("fields",),
    "token_f1": (),
    "rouge_l": (),
    "chrf": (),
    "regex": ("pattern", "group"),
    "judge": ("model", "rubric"),
}
_NEEDS = {"regex": "pattern", "judge": "model"}
RULES = tuple(_TAKES)


def _is_text(value: Any, most: float = math.inf) -> bool:
    return isinstance(value, str) and 0 < len(value) <= most and text_problem(value) is None


_PARAMETERS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "tolerance": (lambda value: Number().deserialize(value) >= 0, "Must be at least 0."),
    "fields": (
        lambda value: isinstance(value, list) and value != [] and all(isinstance(name, str) for name in value),
        "Must be a list of names.",
    ),
    "extract_label": (lambda value: type(value) is bool, "Must be true or false."),
    "pattern": (lambda value: _is_text(value), "Must be a text."),
    "group": (lambda value: type(value) in (str, int, type(None)), "Must be a number or a name."),
    "model": (lambda value: _is_text(value, 255), "Must be a text of 1 to 255 characters."),
    "rubric": (lambda value: _is_text(value, 10_000), "Must be a text of 1 to 10000 characters."),
}
"""What a parameter must be, and the problem of one that is not."""


class Scoring(ma.fields.Field[dict[str, Any]]):
    """``"labels"``, or ``{"rule": "number", "tolerance": 0.5}``; read as an object in either case."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> dict[str, Any]:
        wanted = {"rule": value} if isinstance(value, str) else value
        if not isinstance(wanted, dict) or not isinstance(wanted.get("rule"), str) or wanted["rule"] not in _TAKES:
            raise ma.ValidationError(f"Must be one of {', '.join(_TAKES)}, or an object with such a rule.")
        takes = _TAKES[wanted["rule"]]
        if unknown := sorted(wanted.keys() - {"rule", *takes}):
            raise ma.ValidationError(
                f"{wanted['rule']} takes {', '.join(takes) or 'nothing'}, not {', '.join(unknown)}."
            )
        needed = _NEEDS.get(wanted["rule"])
        if needed is not None and needed not in wanted:
            raise ma.ValidationError(f'{wanted["rule"]} needs {needed}: {{"rule": "{wanted["rule"]}", "{needed}": …}}.')
        for name, (is_right, problem) in _PARAMETERS.items():
            if name in wanted and not is_right(wanted[name]):
                raise ma.ValidationError(f"{name}: {problem}")
        if "pattern" in wanted:
            _require_pattern(wanted)
        return wanted


def _require_pattern(wanted: dict[str, Any]) -> None:
    try:
        compile_pattern(wanted["pattern"], wanted.get("group"))
    except PatternProblem as error:
        raise ma.ValidationError(f"pattern: {error} (RE2's syntax).") from error
