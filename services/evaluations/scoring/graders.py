"""Graders: which label an answer is, or whether it is the expected text; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

from services.evaluations.scoring.extraction import LabelFinder
from services.evaluations.scoring.plain_text import (
    as_written,
    normalise,
    normalise_text,
    strip_formatting,
    strip_reasoning,
)

RIGHT = ""
"""What an answer that is right counts as where there are no labels."""


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
        self.ambiguous = tuple(sorted(self._names.ambiguous))
        """The labels that differ in nothing but case, white space or punctuation: they are compared as they are."""
        text = (
            "An answer must be one of the labels, but for case, white space, punctuation at its end, and the "
            "reasoning, markup and quotes around it"
        )
        self.description = f"{text}; a longer one counts as the only label it names." if extract else f"{text}."

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


class WithoutLabels:
    """What graders are alike in that know no labels: an answer is right, or so far, or it is not."""

    labels: list[str] | None = None
    ambiguous: tuple[str, ...] = ()

    def label(self, expected: str) -> str:
        return RIGHT


class TextGrader(WithoutLabels):
    """An answer is the expected text, or it is not; there are no labels to average over."""

    name = "text"
    is_graded = False
    description = (
        "An answer must be the expected text, but for case, white space, a full stop at its end, and the reasoning, "
        "markup and quotes around it; there are no labels, so accuracy is the only ratio."
    )

    def __init__(self, expected: Iterable[str] = ()) -> None:
        self._names = _Names(expected, normalise_text)

    def grade(self, output: str, expected: str, *, truncated: bool = False) -> Grade:
        wanted, answer = self._names.name(expected), strip_reasoning(output)
        is_right = wanted in (self._names.name(answer), self._names.name(strip_formatting(answer)))
        return Grade(RIGHT if is_right else None)
