"""Feature hashing: the words, word pairs and character n-grams of a text, in a fixed number of columns."""

import re
import zlib
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

WIDTH = 4096
LETTER_GROUPS = (3, 4, 5)

_WORD = re.compile(r"[^\W_]+")


def words(text: str) -> list[str]:
    """Return the lower-case words and numbers of a text, which `usage` counts as tokens too."""
    return _WORD.findall(text.lower())


def matrix(texts: list[str]) -> NDArray[np.float32]:
    """Return one row of unit length per text, shape (texts, WIDTH); a text without words is a row of zeros."""
    rows = np.zeros((len(texts), WIDTH), dtype=np.float32)
    for row, text in zip(rows, texts, strict=True):
        # crc32 and not hash(), which differs from process to process.
        columns = list({zlib.crc32(gram.encode()) % WIDTH for gram in _grams(text)})
        row[columns] = 1 / np.sqrt(max(len(columns), 1))
    return rows


def _grams(text: str) -> set[str]:
    found = words(text)
    grams = {*found, *(f"{first} {second}" for first, second in pairwise(found))}
    for word in found:
        # The marks tell a prefix or a suffix from a middle: "un-" is not the "un" of "sun".
        marked = f"<{word}>"
        grams.update(marked[i : i + n] for n in LETTER_GROUPS for i in range(len(marked) - n + 1))
    return grams
