"""Graders: which label an answer is, or whether it is the expected text; pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

from shared.errors import Unprocessable

MAX_DEFAULT_LABELS = 50
"""A set with more distinct ``expected`` is scored as text unless labels are asked for."""

_PUNCTUATION = ".,;:!?、。"
_RIGHT = ""

# English, German, French, Spanish, Italian, Portuguese; one word too many only leaves an answer as it is.
_NEGATION = re.compile(
    r"n['’]t\b|\b(?:not|no|non|never|nor|neither|none|nothing|without|cannot|hardly|nicht|nie|kein\w*|ohne|weder|"
    r"pas|jamais|sans|aucune?|nunca|sin|ning[uú]n\w*|mai|senza|nessun\w*|não|nem|sem|nenhum\w*)\b"
)


class Grade(NamedTuple):
    """A graded answer: the label that it is, None where invalid; ``extracted`` from a longer text."""

    answer: str | None
    extracted: bool = False


def normalise(text: str) -> str:
    """Return a text normalised for comparison: NFKC, case-folded, without space around and punctuation at the end."""
    folded = unicodedata.normalize("NFKC", text).casefold().strip()
    # NFKC first makes … three dots and ！ a !; an answer that is nothing but punctuation stays as it is.
    return folded.rstrip(_PUNCTUATION).rstrip() or folded


def is_correct(output: str | None, expected: str) -> bool | None:
    """Say whether an output is the expected one, or None where there is no output."""
    return None if output is None else normalise(output) == normalise(expected)


class LabelGrader:
    """An answer is one of the labels, or invalid.

    With ``extract`` an answer that is longer counts as the label that it names: as a whole word, the only label in
    it, and with no negation before it.
    """

    name = "labels"

    def __init__(self, labels: Iterable[str], *, extract: bool) -> None:
        self._labels = frozenset(map(normalise, labels))
        # The longest first, so that "not spam" is found where "spam" is a label as well.
        longest_first = "|".join(re.escape(label) for label in sorted(self._labels, key=len, reverse=True))
        # A word goes on at a hyphen, and in C++ and C#.
        self._named = re.compile(rf"(?<![\w+#-])(?:{longest_first})(?![\w+#-])") if extract else None

    @property
    def description(self) -> str:
        text = "An answer must be one of the labels, but for case, space around it and punctuation at its end"
        return f"{text}; a longer one counts as the only label it names." if self._named else f"{text}."

    def label(self, expected: str) -> str:
        return normalise(expected)

    def grade(self, output: str, expected: str) -> Grade:
        answer = normalise(output)
        if answer in self._labels:
            return Grade(answer)
        found = self._only_label(answer)
        return Grade(found, extracted=found is not None)

    def _only_label(self, answer: str) -> str | None:
        matches = list(self._named.finditer(answer)) if self._named else []
        if len({match[0] for match in matches}) != 1 or _NEGATION.search(answer, 0, matches[-1].start()):
            return None
        return matches[0][0]


class TextGrader:
    """An answer is the expected text, or it is not; there are no labels to average over."""

    name = "text"
    description = (
        "An answer must be the expected text, but for case, space around it and punctuation at its end; "
        "there are no labels, so accuracy is the only ratio."
    )

    def label(self, expected: str) -> str:
        return _RIGHT

    def grade(self, output: str, expected: str) -> Grade:
        return Grade(_RIGHT if is_correct(output, expected) else None)


Grader = LabelGrader | TextGrader


def choose_grader(scoring: str | None, labels: list[str] | None, *, extract_label: bool) -> Grader:
    """Return the grader that was asked for, ``labels`` or ``text``, or by default the one that suits the labels.

    Unprocessable where labels are wanted of a set that has none.
    """
    wants_labels = scoring == "labels" or extract_label
    if labels is None and wants_labels:
        field = "scoring" if scoring == "labels" else "extract_label"
        raise Unprocessable.field(field, "The test set's expected texts are too many, or too long, to be labels.")
    few = labels is not None and len(labels) <= MAX_DEFAULT_LABELS
    if labels is not None and (wants_labels or (scoring is None and few)):
        return LabelGrader(labels, extract=extract_label)
    return TextGrader()
