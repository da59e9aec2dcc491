"""Warnings: what of a test set or of the answers may make the figures mean less than they seem to; pure."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import Any

from services.evaluations.scoring.choose_grader import Grader
from services.evaluations.scoring.graders import LabelGrader
from services.evaluations.scoring.judging import JudgeGrader

CALLED = {"base_model": "the base model", "fine_tuned": "the fine-tuned model"}
INVALID_SHARE = 0.1
_SHOWN_CHARACTERS = 200
_FEW = 5
_MAX_NAMED = 6


def warn_of_set(grader: Grader, names: Container[str], *, rows: int, duplicates: int | None) -> Iterator[str]:
    """Yield warnings of a test set and of who judges it, before anything is asked; ``names`` are the models asked."""
    if grader.ambiguous:
        named = ", ".join(map(repr, grader.ambiguous[:_MAX_NAMED]))
        yield f"Expected texts differ only in case, space or punctuation ({named}): they are compared as they are."
    if isinstance(grader, LabelGrader) and len(grader.labels) == 1 and rows > 1:
        yield f"All rows expect the same, {grader.labels[0]!r}: a model that always says so is always right."
    if isinstance(grader, JudgeGrader) and grader.model in names:
        yield f"The judge, {grader.model!r}, is one of the models that it judges: models prefer their own answers."
    if duplicates:
        yield f"{duplicates} of {rows} rows ask what an earlier one does: {rows - duplicates} rows are distinct."


def warn_of_answers(invalid: Mapping[str, tuple[int, str | None]], n: int, *, alike: bool) -> Iterator[str]:
    """Yield warnings of ``n`` rows' answers; ``invalid`` has for each role how many are no label, and one of them."""
    for role, (count, example) in invalid.items():
        if count > INVALID_SHARE * n and example is not None:
            shown = example if len(example) <= _SHOWN_CHARACTERS else f"{example[:_SHOWN_CHARACTERS]}…"
            yield f"{count} of {n} answers of {CALLED[role]} are no label, for example {shown!r}."
    if alike and n >= _FEW:
        yield "Both models gave the same answer to every row: perhaps one model answers to both names."


def remark_on(
    significance: Mapping[str, Any], invalid: Mapping[str, tuple[int, str | None]], errors: Mapping[str, int]
) -> str:
    """Return what the summary adds to the verdict: answers that are no label, and errors that could explain it.

    ``errors`` has for each role the rows in which it alone has no answer.
    """
    said = remark_on_invalid(invalid, significance["n"])
    ahead = {"better": "fine_tuned", "worse": "base_model"}.get(significance["verdict"])
    lead = abs(significance["fine_tuned_only"] - significance["base_model_only"])
    if ahead is not None and errors[ahead] >= lead:
        said += f"; {CALLED[ahead]} has no answer to {errors[ahead]} rows, which could explain the difference"
    return said


def remark_on_invalid(invalid: Mapping[str, tuple[int, str | None]], n: int) -> str:
    """Return what a summary adds where more than a tenth of a model's answers are no label."""
    return "".join(
        f"; {count} of {n} answers of {CALLED[role]} are no label"
        for role, (count, _) in invalid.items()
        if count > INVALID_SHARE * n
    )


def describe_reuse(source: int | None) -> str:
    """Return whose answers the base's are where it was not to be asked again."""
    if source is None:
        return "reuse_base: no earlier evaluation asked the base the same in the same way, so it was asked again."
    return f"The base model's answers, and their times, are those of evaluation {source}: it was not asked again."
