"""Graders: which label an answer is, or whether it is the expected text; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from services.evaluations.scoring import rules
from services.evaluations.scoring.extraction import LabelFinder
from services.evaluations.scoring.plain_text import (
    as_written,
    normalise,
    normalise_text,
    strip_formatting,
    strip_reasoning,
)
from shared.errors import Unprocessable

MAX_DEFAULT_LABELS = 50
_MAX_DEFAULT_LABEL_CHARACTERS = 60
"""A set with more distinct ``expected``, or longer ones, is scored as text unless labels are asked for."""

_RIGHT = ""


class Grade(NamedTuple):
    """A graded answer: the label that it is, None where invalid; ``extracted`` from a longer text."""

    answer: str | None
    extracted: bool = False
    score: float | None = None
    """0 to 1, where a rule grades."""


def is_correct(output: str | None, expected: str) -> bool | None:
    """Say whether an output is the expected one, or None where there is no output."""
    return None if output is None else normalise(output) == normalise(expected)


class _Names:
    """Distinct texts by their normalised form; those that are alike but for it are told apart as they are written."""

    def __init__(self, texts: Iterable[str], normal: Callable[[str], str]) -> None:
        self._normal = normal
        written = {as_written(text) for text in texts}
        shared = Counter(map(normal, written))
        self.ambiguous = frozenset(text for text in written if shared[normal(text)] > 1)
        self.known = frozenset(map(self.name, written))

    def name(self, text: str) -> str:
        """Return what a text is compared as."""
        exact = as_written(text)
        return exact if exact in self.ambiguous else self._normal(text)


class LabelGrader:
    """An answer is one of the labels, or invalid; reasoning, markup and quotes around it do not count.

    With ``extract`` an answer that is longer counts as the label that it names.
    """

    name = "labels"
    is_graded = False

    def __init__(self, labels: Iterable[str], *, extract: bool) -> None:
        self.labels = sorted(labels)
        self._names = _Names(self.labels, normalise)
        self._finder = LabelFinder(self._names.known, self._find) if extract else None

    @property
    def description(self) -> str:
        text = (
            "An answer must be one of the labels, but for case, white space, punctuation at its end, and the "
            "reasoning, markup and quotes around it"
        )
        return f"{text}; a longer one counts as the only label it names." if self._finder else f"{text}."

    @property
    def ambiguous(self) -> tuple[str, ...]:
        """The labels that differ in nothing but case, white space or punctuation: they are compared as they are."""
        return tuple(sorted(self._names.ambiguous))

    @property
    def names(self) -> dict[str, str]:
        """By what labels are compared as, the first spelling of each."""
        spellings: dict[str, str] = {}
        for label in self.labels:
            spellings.setdefault(self._names.name(label), label)
        return spellings

    def label(self, expected: str) -> str:
        return self._names.name(expected)

    def grade(self, output: str, expected: str, *, truncated: bool = False) -> Grade:
        answer = strip_reasoning(output)
        found = self._find(answer)
        if found is None:
            found = self._find(strip_formatting(answer))
        if found is not None or self._finder is None:
            return Grade(found)
        found = self._finder.find_label(answer, truncated=truncated)
        return Grade(found, extracted=found is not None)

    def _find(self, text: str) -> str | None:
        name = self._names.name(text)
        return name if name in self._names.known else None


class TextGrader:
    """An answer is the expected text, or it is not; there are no labels to average over."""

    name = "text"
    is_graded = False
    description = (
        "An answer must be the expected text, but for case, white space, a full stop at its end, and the reasoning, "
        "markup and quotes around it; there are no labels, so accuracy is the only ratio."
    )
    labels: list[str] | None = None
    ambiguous: tuple[str, ...] = ()

    def __init__(self, expected: Iterable[str] = ()) -> None:
        self._names = _Names(expected, normalise_text)

    def label(self, expected: str) -> str:
        return _RIGHT

    def grade(self, output: str, expected: str, *, truncated: bool = False) -> Grade:
        wanted, answer = self._names.name(expected), strip_reasoning(output)
        is_right = wanted in (self._names.name(answer), self._names.name(strip_formatting(answer)))
        return Grade(_RIGHT if is_right else None)


class RuleGrader:
    """An answer is right, or right so far, by a rule that looks at it and the expected text alone."""

    labels: list[str] | None = None
    ambiguous: tuple[str, ...] = ()

    def __init__(self, rule: str, parameters: Mapping[str, Any]) -> None:
        self.name = rule
        self.description = rules.DESCRIPTIONS[rule]
        self.is_graded = rule in rules.GRADED
        self._score = rules.make_score(rule, parameters)

    def label(self, expected: str) -> str:
        return _RIGHT

    def grade(self, output: str, expected: str, *, truncated: bool = False) -> Grade:
        score = self._score(output, expected)
        return Grade(_RIGHT if score == 1 else None, score=score if self.is_graded else None)


Grader = LabelGrader | TextGrader | RuleGrader


def choose_grader(
    scoring: str | None,
    labels: list[str] | None,
    *,
    rows: int,
    extract_label: bool,
    parameters: Mapping[str, Any] | None = None,
) -> Grader:
    """Return the grader of the rule that was asked for, or by default the one that suits the set.

    That is labels where they are few, short, and at most half as many as the rows: a set of questions has an answer of
    its own for each, and to list them would be to give them away. Unprocessable where labels are wanted of a set that
    has none.
    """
    if scoring in rules.DESCRIPTIONS:
        return RuleGrader(scoring, parameters or {})
    wants_labels = scoring == "labels" or extract_label
    if labels is None and wants_labels:
        field = "scoring" if scoring == "labels" else "extract_label"
        raise Unprocessable.field(field, "The test set's expected texts are too many, or too long, to be labels.")
    if labels is not None and (wants_labels or (scoring is None and _are_labels(labels, rows))):
        return LabelGrader(labels, extract=extract_label)
    return TextGrader(labels or ())


def _are_labels(labels: list[str], rows: int) -> bool:
    are_short = all(len(label) <= _MAX_DEFAULT_LABEL_CHARACTERS for label in labels)
    return len(labels) <= min(MAX_DEFAULT_LABELS, rows / 2) and are_short
