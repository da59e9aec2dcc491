"""Reads the metrics that trainers print: dicts, ``name: number`` and ``name=number``, ``train loss 2.3``; pure.

The formats are those of transformers, TRL, unsloth, LLaMA-Factory, torchtune, Lightning, Keras, nanoGPT, mlx-lm,
litgpt, verl, diffusers and DeepSpeed. No expression backtracks: a line that fits none costs a few microseconds.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

MAX_LINE_CHARS = 4096
"""Longer lines are no trainer's."""

MAX_NAME_CHARS = 255

WORDS = ("loss", "acc", "lr", "learning", "perplexity", "ppl", "reward", "grad", "entropy", "score", "f1", "kl")
"""A line without one of these, in any case, has no metrics; whoever reads a log leaves those to the database."""

_METRIC = re.compile(
    r"(?:\A|[_/ ])(?:loss|acc|accuracy|lr|learning_rate|perplexity|ppl|rewards?|grad_norm|entropy|score|f1|kl)"
    r"(?:\Z|[_/ ])"
)
_NOT_METRICS = frozenset(
    {
        *("epoch", "epochs", "step", "steps", "iter", "iteration", "global_step", "current_steps", "total_steps"),
        *("elapsed", "eta", "line", "pid", "port", "rank", "seed", "time", "v_num", "version", "took", "percentage"),
    }
)
_SPLITS = frozenset({"train", "training", "val", "valid", "validation", "eval", "test"})
_SPACED = frozenset({"loss", "acc", "accuracy", "ppl", "perplexity", "lr", "reward"})
"""What may stand before its number with nothing but a space."""

_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
_NUMBER = r"[-+]?(?:nan|inf(?:inity)?|(?:\d{1,3}(?:,\d{3})++|\d++)(?:\.\d*+)?|\.\d++)(?:e[-+]?\d++)?"
_PAIR = re.compile(
    rf"(?<![\w./@:-])([a-z_][\w/.@]{{0,63}}+)(['\"]? ?[:=] ?| )(['\"]?)({_NUMBER})\3(?![\w.:/%])",
)
"""Of lower case, as all that follow: to ignore the case would take half as long again."""

_BEFORE = re.compile(r"([a-z]{3,10}) \Z")
_STEP = re.compile(
    r"(?<![\w/.])(global_step|iter(?:ation)?|steps?|current_steps)['\"]?(?: ?[:=] ?| )\[?['\"]?(\d[\d,]*+)(?![.\w%])"
)
STEP_NAMES = ("global_step", "iter", "iteration", "step", "steps", "current_steps")
_BAR = re.compile(r"(?<!\d)(\d++)/\d++ \[\d++:\d\d")
_EPOCH = re.compile(r"(?<![\w/.])epoch['\"]?(?: ?[:=] ?| )\[?['\"]?(\d++(?:\.\d++)?)")


class Reading(NamedTuple):
    """What a line says: values by name, and where in the training, as far as it says."""

    values: dict[str, float]
    step: int | None
    epoch: float | None


def read_line(line: str) -> Reading | None:
    """Return the metrics of a line, or None where it has none."""
    if len(line) > MAX_LINE_CHARS:
        return None
    text = line.lower()
    if "\x1b" in text:
        text = _COLOUR.sub("", text)
    values = {}
    is_metric = False
    for pair in _PAIR.finditer(text):
        name = _name(text, pair)
        if name is not None:
            values[name] = float(pair[4].replace(",", ""))
            is_metric = is_metric or _names_metric(name)
    if not is_metric:
        return None
    at = text.find("epoch")  # no match begins before it, and the expression alone looks at each place
    epoch = _EPOCH.search(text, at) if at >= 0 else None
    return Reading(values, _step(text), float(epoch[1]) if epoch else None)


@lru_cache(1024)
def _names_metric(name: str) -> bool:
    return _METRIC.search(name) is not None


def _name(text: str, pair: re.Match[str]) -> str | None:
    """Return the metric's name, with the word before it where that says of which split it is; None for no metric."""
    name, sign, start = pair[1], pair[2], pair.start()
    before = _BEFORE.search(text, max(0, start - 12), start) if text[start - 1 : start] == " " else None
    word = before[1] if before else ""
    if sign == " ":
        if name not in _SPACED:
            return None
    elif "." in name and not sign.strip(":= '\"") and sign[-1] != " ":
        return None  # a module and a line in it
    if word in _SPLITS and name not in _SPLITS:
        name = f"{word}_{name}"
    elif name in _SPLITS:
        if word not in _SPACED:
            return None
        name = f"{word}_{name}"
    return None if name in _NOT_METRICS or len(name) > MAX_NAME_CHARS else name


def _step(text: str) -> int | None:
    if "step" in text or "iter" in text:
        found = {match[1]: match[2] for match in reversed(list(_STEP.finditer(text)))}
        for name in STEP_NAMES:
            if name in found:
                return int(found[name].replace(",", "")[:18])
    bar = _BAR.search(text) if "[" in text else None
    return int(bar[1][:18]) if bar else None
