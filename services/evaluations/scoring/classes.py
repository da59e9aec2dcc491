"""The classes of a classification: each label's own metrics, and who answered what instead; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from services.evaluations.scoring.graders import LabelGrader
from services.evaluations.scoring.metrics import ROLES, Tally, rounded
from services.evaluations.scoring.significance import Cell

MAX_LABELS = 50


def describe_classes(grader: LabelGrader, tallies: Sequence[Tally], cells: Counter[Cell]) -> dict[str, Any]:
    """Return ``labels`` and ``confusion`` of the results, both None where the labels are more than 50.

    A confusion matrix has a row for each label that was expected and a column for each that was answered, the last
    one for what is no label.
    """
    names = grader.names
    if len(names) > MAX_LABELS:
        return {"labels": None, "confusion": None}
    labels = [
        {"label": shown, "n": tallies[0].expected(name)}
        | {role: rounded(tally.of_label(name)) for role, tally in zip(ROLES, tallies, strict=True)}
        for name, shown in names.items()
    ]
    matrices = {role: _confusion(list(names), cells, 1 + number) for number, role in enumerate(ROLES)}
    return {"labels": labels, "confusion": {"labels": list(names.values()), **matrices}}


def _confusion(names: list[str], cells: Counter[Cell], role: int) -> list[list[int]]:
    column = {name: number for number, name in enumerate(names)}
    matrix = [[0] * (len(names) + 1) for _ in names]
    for cell, rows in cells.items():
        answered = cell[role]
        matrix[column[cell[0]]][len(names) if answered is None else column[answered]] += rows
    return matrix
