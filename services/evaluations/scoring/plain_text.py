"""The plain text of an answer: without reasoning, markup, quotes, fences and list marks; and texts normalised; pure."""

from __future__ import annotations

import re
import unicodedata

_PUNCTUATION = ".,;:!?、。"

_MAX_LAYERS = 8
_REASONED = re.compile(r"</think(?:ing)?>|</reasoning>|\[/THINK\]|<\|channel\|>final<\|message\|>", re.I)
_REASONS_ON = re.compile(r"<think(?:ing)?>|<reasoning>|\[THINK\]|<\|channel\|>analysis", re.I)
_FENCE = re.compile(r"```[\w+-]*[ \t]*\n?(.*?)\n?```", re.S)
_LIST_MARK = re.compile(r"(?:[-*•+–]|\d{1,3}[.)]|#{1,6}|>)[ \t]+(?=\S)")
_PAIRS = [
    *(("*" * width, "*" * width) for width in (3, 2, 1)),
    *(("_" * width, "_" * width) for width in (2, 1)),
    *((mark, mark) for mark in ("~~", "`", '"', "'", "$")),
    *(("“", "”"), ("‘", "’"), ("„", "“"), ("«", "»"), ("「", "」"), ("(", ")"), ("[", "]"), ("<", ">"), ("{", "}")),
    ("\\boxed{", "}"),
]


def strip_reasoning(text: str) -> str:
    """Return what stands behind the last end of reasoning; nothing where the reasoning does not end."""
    if "<" not in text and "[" not in text:
        return text  # as most answers are, without a search for each of the marks
    ends = [match.end() for match in _REASONED.finditer(text)]
    rest = text[ends[-1] :] if ends else text
    return "" if _REASONS_ON.search(rest) else rest


def strip_formatting(text: str) -> str:
    """Return a text without the markup, quotes, fences and list marks around the whole of it."""
    text = text.strip()
    for _ in range(_MAX_LAYERS):
        text = _without_layer(text) or text
    return text


def _without_layer(text: str) -> str:
    fence = _FENCE.fullmatch(text)
    if fence is not None and "```" not in fence[1]:
        return fence[1].strip()
    if (mark := _LIST_MARK.match(text)) is not None and "\n" not in text:
        return text[mark.end() :]
    # A sentence's end may stand outside of what marks it: **positive**.
    core = text.rstrip(_PUNCTUATION)
    for left, right in _PAIRS:
        if len(core) > len(left) + len(right) and core.startswith(left) and core.endswith(right):
            inner = core[len(left) : -len(right)]
            if left not in inner and right not in inner:
                return inner.strip()
    return text


def normalise(text: str) -> str:
    """Return a text normalised for comparison: NFKC, case- and space-folded, without punctuation at the end."""
    folded = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    # NFKC first makes … three dots and ！ a !; an answer that is nothing but punctuation stays as it is.
    return folded.rstrip(_PUNCTUATION).rstrip() or folded


def normalise_text(text: str) -> str:
    """Return a free text normalised: as ``normalise``, but of punctuation only one full stop at the end goes."""
    folded = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return re.sub(r"(?<=\w)[.。]$", "", folded)


def as_written(text: str) -> str:
    """Return a text for an exact comparison: NFC, its white space folded and nothing else."""
    return " ".join(unicodedata.normalize("NFC", text).split())
