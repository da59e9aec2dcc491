"""Scores of how far a text overlaps with the expected one, each from 0 to 1: token F1, ROUGE-L and chrF; pure."""

from __future__ import annotations

import re
import string
from collections import Counter

import numpy as np
import numpy.typing as npt

MAX_TOKENS = 20_000
MAX_CHARACTERS = 20_000
_MAX_ORDER = 6
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
    texts = (_WORDS.findall(text.lower()) or _ANY_WORDS.findall(text.casefold()) for text in (answer, expected))
    given, wanted = (words[:MAX_TOKENS] for words in texts)
    if not given or not wanted:
        return float(given == wanted)
    return _f1(_common_length(given, wanted), len(given), len(wanted))


def chrf(answer: str, expected: str) -> float:
    """Return chrF of one text: the F2 of the n-grams of 1 to 6 characters, white space left out.

    Popović 2015, Workshop on Statistical Machine Translation, 392-395. As in sacrebleu:
    orders that one of the texts has no n-gram of do not count, and none in common is 0.
    """
    given, wanted = ("".join(text.split())[:MAX_CHARACTERS] for text in (answer, expected))
    letters = _ranks(np.frombuffer((given + wanted).encode("utf-32-le"), dtype=np.uint32).astype(np.int64))
    mine_letters, their_letters = letters[: len(given)], letters[len(given) :]
    mine, theirs, precision, recall, orders = mine_letters, their_letters, 0.0, 0.0, 0
    for order in range(1, min(_MAX_ORDER, len(given), len(wanted)) + 1):
        if order > 1:
            # An n-gram by its number among those of both texts: that of what it begins with, and its last letter.
            longer = [
                shorter[:-1] * (len(letters) + 1) + own[order - 1 :]
                for shorter, own in ((mine, mine_letters), (theirs, their_letters))
            ]
            numbers = _ranks(np.concatenate(longer))
            mine, theirs = numbers[: len(longer[0])], numbers[len(longer[0]) :]
        most = int(max(mine.max(), theirs.max())) + 1
        common = int(np.minimum(np.bincount(mine, minlength=most), np.bincount(theirs, minlength=most)).sum())
        precision += common / len(mine)
        recall += common / len(theirs)
        orders += 1
    if not precision:
        return 0.0
    precision, recall = precision / orders, recall / orders
    return (1 + _BETA_SQUARED) * precision * recall / (_BETA_SQUARED * precision + recall)


def _ranks(numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return for each number its place among the distinct ones."""
    return np.unique(numbers, return_inverse=True)[1]


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
