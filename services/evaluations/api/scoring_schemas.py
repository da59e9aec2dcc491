"""The JSON of how answers are scored: the name of a rule, or a rule with what it takes."""

from __future__ import annotations

from collections.abc import Mapping
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
_MAX_RUBRIC = 10_000
RULES = tuple(_TAKES)


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
        _check(wanted)
        _check_pattern(wanted)
        _check_judge(wanted)
        return wanted


def _check(wanted: dict[str, Any]) -> None:
    if "tolerance" in wanted and Number().deserialize(wanted["tolerance"]) < 0:
        raise ma.ValidationError("tolerance: Must be at least 0.")
    fields = wanted.get("fields", ["any"])
    if not isinstance(fields, list) or not fields or not all(isinstance(name, str) for name in fields):
        raise ma.ValidationError("fields: Must be a list of names.")
    if type(wanted.get("extract_label", False)) is not bool:
        raise ma.ValidationError("extract_label: Must be true or false.")


def _check_pattern(wanted: dict[str, Any]) -> None:
    if "pattern" not in wanted:
        return
    pattern, group = wanted["pattern"], wanted.get("group")
    if not isinstance(pattern, str) or not pattern or text_problem(pattern) is not None:
        raise ma.ValidationError("pattern: Must be a text.")
    if type(group) not in (str, int, type(None)):
        raise ma.ValidationError("group: Must be a number or a name.")
    try:
        compile_pattern(pattern, group)
    except PatternProblem as error:
        raise ma.ValidationError(f"pattern: {error} (RE2's syntax).") from error


def _check_judge(wanted: dict[str, Any]) -> None:
    for name, most in (("model", 255), ("rubric", _MAX_RUBRIC)):
        text = wanted.get(name, "any")
        if not isinstance(text, str) or not 0 < len(text) <= most or text_problem(text) is not None:
            raise ma.ValidationError(f"{name}: Must be a text of 1 to {most} characters.")
