"""Scores of how far a text overlaps with the expected one, each from 0 to 1: token F1, ROUGE-L and chrF; pure."""

from __future__ import annotations

import re
import string
from collections import Counter

MAX_TOKENS = 20_000
MAX_CHARACTERS = 20_000
_ORDERS = range(1, 7)
_BETA_SQUARED = 4
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_WORDS = re.compile(r"[a-z0-9]+")
_ANY_WORDS = re.compile(r"\w+")


def token_f1(answer: str, expected: str) -> float:
    """Return the F1 of the tokens that both have, as SQuAD has it: without case, punctuation and English articles.

    Rajpurkar, Zhang, Lopyrev, Liang 2016, EMNLP, 2383-2392. Where one has no token it is 1 if neither has, else 0.
    """
    given, wanted = (_ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split() for text in (answer, expected))
    if not given or not wanted:
        return float(given == wanted)
    return _f1((Counter(given) & Counter(wanted)).total(), len(given), len(wanted))


def rouge_l(answer: str, expected: str) -> float:
    """Return the F1 of the longest common subsequence of words, without stemming (Lin 2004, ACL workshop, 74-81).

    The words are runs of a-z and 0-9, as in the usual implementations; in texts without any, of letters in any script.
    """
    given, wanted = (_words(text)[:MAX_TOKENS] for text in (answer, expected))
    if not given or not wanted:
        return float(given == wanted)
    return _f1(_common_length(given, wanted), len(given), len(wanted))


def chrf(answer: str, expected: str) -> float:
    """Return chrF of one text: the F2 of the n-grams of 1 to 6 characters, white space left out.

    Popović 2015, Workshop on Statistical Machine Translation, 392-395. As in sacrebleu:
    orders that one of the texts has no n-gram of do not count, and none in common is 0.
    """
    given, wanted = ("".join(text.split())[:MAX_CHARACTERS] for text in (answer, expected))
    precision = recall = orders = 0.0
    for order in _ORDERS:
        mine, theirs = (
            Counter(text[start : start + order] for start in range(len(text) - order + 1)) for text in (given, wanted)
        )
        if mine and theirs:
            common = (mine & theirs).total()
            precision += common / mine.total()
            recall += common / theirs.total()
            orders += 1
    if not orders or not precision:
        return 0.0
    precision, recall = precision / orders, recall / orders
    return (1 + _BETA_SQUARED) * precision * recall / (_BETA_SQUARED * precision + recall)


def _words(text: str) -> list[str]:
    return _WORDS.findall(text.lower()) or _ANY_WORDS.findall(text.casefold())


def _f1(common: int, given: int, wanted: int) -> float:
    return 2 * common / (given + wanted)


def _common_length(first: list[str], second: list[str]) -> int:
    """Return the length of the longest common subsequence, a row of the table at a time as the bits of a number.

    Hyyrö 2004, String Processing and Information Retrieval, 3246:219-230: a zero bit is a step up.
    """
    places: dict[str, int] = {}
    for place, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << place
    full = (1 << len(first)) - 1
    row = full
    for word in second:
        matches = row & places.get(word, 0)
        row = (row + matches | row - matches) & full
    return len(first) - row.bit_count()
