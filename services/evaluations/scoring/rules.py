"""Rules that say of each answer by itself whether, or how far, it is right; pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from services.evaluations.scoring.graders import RIGHT, Grade, WithoutLabels
from services.evaluations.scoring.overlap import chrf, rouge_l, token_f1
from services.evaluations.scoring.patterns import find_group
from services.evaluations.scoring.plain_text import normalise, normalise_text, strip_formatting, strip_reasoning

Score = Callable[[str, str], float]
"""Returns how far an answer is the expected one, 0 to 1."""

_NUMBER = r"[-+−]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?|[-+−]?\.\d+"
_NUMBERS = re.compile(_NUMBER)
_MARKED = re.compile(rf"(?:####|\\boxed\{{|answer(?:\s+is)?\s*:?)\s*\**\$?\s*({_NUMBER})", re.I)
_FENCE = re.compile(r"```\w*\n(.*?)\n?```", re.S)

DESCRIPTIONS = {
    "exact": "An answer must be the expected text, character by character.",
    "contains": "An answer must contain the expected text as whole words, but for case and white space.",
    "regex": "What the pattern finds first in an answer must be the expected text, but for case and white space.",
    "number": "An answer must give the expected number, alone, as the only one, or marked as its answer.",
    "json": "An answer must be the JSON that is expected; the order of an object's members does not count.",
    "token_f1": "The score is the F1 of the words that answer and expected text share, as in SQuAD.",
    "rouge_l": "The score is ROUGE-L, the F1 of the longest common subsequence of words, without stemming.",
    "chrf": "The score is chrF, the F2 of the character n-grams up to 6 that answer and expected text share.",
}
_OVERLAPS: dict[str, Score] = {"token_f1": token_f1, "rouge_l": rouge_l, "chrf": chrf}
GRADED = frozenset(_OVERLAPS)


class RuleGrader(WithoutLabels):
    """An answer is right, or right so far, by a rule that looks at it and the expected text alone."""

    def __init__(self, rule: str, parameters: Mapping[str, Any]) -> None:
        self.name = rule
        self.description = DESCRIPTIONS[rule]
        self.is_graded = rule in GRADED
        self._score = make_score(rule, parameters)

    def grade(self, output: str, expected: str, *, truncated: bool = False) -> Grade:
        score = self._score(output, expected)
        return Grade(RIGHT if score == 1 else None, score=score if self.is_graded else None)


def make_score(rule: str, parameters: Mapping[str, Any]) -> Score:
    """Return the score of a rule with its parameters."""
    if rule == "number":
        tolerance = parameters.get("tolerance") or 0
        return lambda answer, expected: float(_is_number(answer, expected, tolerance))
    if rule == "json":
        fields = parameters.get("fields")
        return lambda answer, expected: float(_is_json(answer, expected, fields))
    if rule == "regex":
        pattern, group = parameters["pattern"], parameters.get("group")
        return lambda answer, expected: float(_is_found(answer, expected, pattern, group))
    if rule in _OVERLAPS:
        overlap = _OVERLAPS[rule]
        return lambda answer, expected: overlap(strip_formatting(strip_reasoning(answer)), expected)
    if rule == "contains":
        return _contains
    return lambda answer, expected: float(answer == expected)


def _contains(answer: str, expected: str) -> float:
    wanted, text = normalise(expected), normalise(strip_reasoning(answer))
    start = text.find(wanted)
    while start >= 0:
        before, after = text[start - 1 : start], text[start + len(wanted) :][:1]
        if not _is_word(before) and not _is_word(after):
            return 1.0
        start = text.find(wanted, start + 1)
    return 0.0


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _is_found(answer: str, expected: str, pattern: str, group: int | str | None) -> bool:
    found = find_group(strip_reasoning(answer), pattern, group)
    return found is not None and normalise_text(found) == normalise_text(expected)


def _is_number(answer: str, expected: str, tolerance: float) -> bool:
    wanted, given = _only_number(expected), _only_number(strip_reasoning(answer))
    if wanted is None or given is None:
        return False
    return math.isclose(given, wanted, rel_tol=1e-12, abs_tol=tolerance)


def _only_number(text: str) -> float | None:
    marked = _MARKED.findall(text)
    found = {_value(number) for number in (marked[-1:] or _NUMBERS.findall(text))}
    return found.pop() if len(found) == 1 else None


def _value(number: str) -> float:
    return float(number.replace(",", "").replace("−", "-"))


def _is_json(answer: str, expected: str, fields: list[str] | None) -> bool:
    text = strip_reasoning(answer).strip()
    fenced = _FENCE.findall(text)
    try:
        given, wanted = json.loads(fenced[0] if len(fenced) == 1 else text), json.loads(expected)
    except (ValueError, RecursionError):
        return False
    if fields is None:
        return _same(given, wanted)
    if not (isinstance(given, dict) and isinstance(wanted, dict)):
        return False
    missing = object()
    return all(_same(given.get(name, missing), wanted.get(name, missing)) for name in fields)


def _same(first: Any, second: Any) -> bool:
    """Say whether two JSON values are equal; to Python true is 1 as well."""
    try:
        return json.dumps(_plain(first), sort_keys=True) == json.dumps(_plain(second), sort_keys=True)
    except TypeError:
        return first is second


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_plain(member) for member in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
