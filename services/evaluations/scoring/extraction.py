"""Finds the label that a longer answer names, by anchored forms before loose ones; pure.

A made-up right answer is worse than a missed one: what may be a negation, or names several labels, is no answer, and a
lone letter or a number counts in an anchored form only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from services.evaluations.scoring.plain_text import normalise, strip_formatting

_MAX_CHARACTERS = 2**16
"""A longer answer is searched for no label."""

Find = Callable[[str], str | None]
"""Returns the label that a text is, None where it is none."""

_KEYS = (
    "label",
    "answer",
    "final_answer",
    "class",
    "category",
    "prediction",
    "sentiment",
    "result",
    "output",
    "choice",
)
_IS = r"(?:is|would be|should be|ist|lautet|est|es|é|è)"
_ANSWER = (
    r"(?:answer|label|class(?:ification)?|category|sentiment|choice|option|prediction|verdict|antwort|réponse|respuesta|"
    r"resposta|risposta|antwoord)"
)
_SAID = re.compile(rf"\b{_ANSWER}\s+{_IS}\s*:?\s*(?P<said>[^\n.,;!?]+)(?=[.,;!\n]|$)", re.I)
_FENCED = re.compile(r"^```\w*\n(.*?)\n?```$", re.S)
_BOXED = re.compile(r"\\boxed\{(?P<said>[^{}]*)\}")
_PARENTHESES = re.compile(r"\((?P<said>\w{1,3})\)")
_OPTION = re.compile(r"(?:^|\n)\s*\**(?P<said>\w{1,2})\**[.):]\**(?=\s)")

# Dutch, English, French, German, Italian, Portuguese, Spanish; one word too many only leaves an answer as it is.
_NEGATION = re.compile(
    r"n['’]t\b|\b(?:not|no|non|never|nor|neither|none|nothing|without|cannot|hardly|wrong|false|opposite|unlikely|"
    r"niet|geen|nooit|"
    r"noch|nicht|nie|kein\w*|ohne|weder|pas|jamais|sans|aucune?|nunca|sin|ning[uú]n\w*|mai|senza|nessun\w*|não|nem|sem|"
    r"nenhum\w*|actually|wait|rather|instead)\b"
)

# The words that lead to a label in prose. Any other before it may negate it, in whichever language.
_LEADING_WORDS = """
a an the this that it its i'd i i'll we you he she they is are be was were am would will should can could
may do say think believe guess classify consider label answer class classification category sentiment choice
option review text sentence statement tweet message comment customer author writer tone feeling feedback
overall clearly definitely very quite mostly generally really rather seems seem appears appear sounds looks
as to of for in my our their with input given based on so therefore thus hence sure certainly final result
output prediction best describes described expresses expressed conveys has have one following and correct
email mail ticket request question intent as: das die der dies diese dieser es ist wäre ich wir würde sage
denke meine antwort klasse kategorie stimmung text satz bewertung eindeutig klar sehr also ein eine le la
les l' c'est ce cette est je nous dirais pense réponse texte phrase avis sentiment catégorie un une très el
los las esto este esta es yo diría creo respuesta texto frase opinión muy una il lo gli questo questa è io
direi penso risposta testo un' o a os as isto este é eu diria acho resposta dit deze het een ik zou zeggen
denk antwoord tekst zin
"""
_LEADING = frozenset(_LEADING_WORDS.split())
_WORD = re.compile(r"[^\s,;]+")


class LabelFinder:
    """Finds labels in longer answers; ``labels`` are normalised, ``find`` says which of them a text is."""

    def __init__(self, labels: Iterable[str], find: Find) -> None:
        self._find = find
        words = [label for label in labels if len(label) > 1 and not label.isdecimal()]
        # The longest first, so that "not spam" is found where "spam" is a label as well.
        longest_first = "|".join(re.escape(label) for label in sorted(words, key=len, reverse=True))
        # A word goes on at a hyphen, and in C++ and C#.
        self._named = re.compile(rf"(?<![\w+#-])(?:{longest_first})(?![\w+#-])") if words else None

    def find_label(self, answer: str, *, truncated: bool = False) -> str | None:
        """Return the label that an answer names.

        One that was ``truncated`` may have gone on to say otherwise: only whole lines that mark their answer count.
        """
        if len(answer) > _MAX_CHARACTERS:
            return None
        if truncated:
            answer = answer.rpartition("\n")[0]
        parsed = _json(answer)
        if parsed is not None:
            return _only(self._find(text) for text in _members(parsed[0]))
        for form in (_anchored, _lettered):
            named = {label for said in form(answer) if (label := self._find(strip_formatting(said))) is not None}
            if named:
                return named.pop() if len(named) == 1 else None
        return None if truncated else self._in_prose(normalise(answer))

    def _in_prose(self, text: str) -> str | None:
        matches = list(self._named.finditer(text)) if self._named else []
        if len({match[0] for match in matches}) != 1:
            return None
        label, start, end = matches[0][0], matches[0].start(), matches[0].end()
        sentence = re.split(r"[.!?:]\s", text[:start])[-1]
        leads = all(word.strip("*_\"'“”.:`") in _LEADING for word in _WORD.findall(sentence))
        if not leads or text[end : end + 1] == "?" or _NEGATION.search(text[: start - len(sentence)]):
            return None
        return None if _NEGATION.search(text, end) and not _NEGATION.fullmatch(label) else label


def _json(answer: str) -> tuple[Any] | None:
    bare = _FENCED.sub(r"\1", answer.strip())
    try:
        return (json.loads(bare),) if bare.startswith(("{", "[")) else None
    except (ValueError, RecursionError):
        return None


def _members(value: Any) -> Iterator[str]:
    """Yield the texts of a JSON value that may be its label."""
    if isinstance(value, dict):
        keyed = [value[name] for name in value if name.casefold() in _KEYS]
        values = keyed or (list(value.values()) if len(value) == 1 else [])
    else:
        values = value if isinstance(value, list) else [value]
    for each in values:
        if isinstance(each, str):
            yield each
        elif isinstance(each, bool | int | float):
            yield json.dumps(each)


def _anchored(answer: str) -> Iterator[str]:
    """Yield what an answer marks as its answer."""
    yield from (match["said"] for match in _BOXED.finditer(answer))
    for line in answer.splitlines():
        colon = max(line.rfind(":"), line.rfind("="))
        if colon >= 0 and not _is_negation(line[:colon]):
            yield line[colon + 1 :].removeprefix("**")
    yield from (match["said"] for match in _SAID.finditer(answer))
    first, _, rest = answer.strip().partition("\n")
    if rest.startswith("\n") or not rest:
        yield first if rest else ""


def _is_negation(text: str) -> bool:
    """Say whether what stands before a colon is a negation, as in "Definitely not: positive"."""
    words = text.casefold().split()
    return bool(words) and _NEGATION.fullmatch(words[-1].strip("*_")) is not None


def _lettered(answer: str) -> Iterator[str]:
    """Yield the options of a multiple choice that an answer names: ``(B)``, ``B.``, ``B)``."""
    for form in (_PARENTHESES, _OPTION):
        for match in form.finditer(answer):
            if _NEGATION.search(answer.casefold(), 0, match.start()):
                return
            yield match["said"]


def _only(labels: Iterable[str | None]) -> str | None:
    named = {label for label in labels if label is not None}
    return named.pop() if len(named) == 1 else None
