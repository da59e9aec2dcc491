"""The classes of a classification: each label's own metrics, and who answered what instead; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from services.evaluations.scoring.f1_interval import Cell
from services.evaluations.scoring.graders import LabelGrader
from services.evaluations.scoring.metrics import ROLES, Tally, rounded

MAX_LABELS = 50


def describe_classes(grader: LabelGrader, tallies: Mapping[str, Tally], cells: Counter[Cell]) -> dict[str, Any]:
    """Return ``labels`` and ``confusion`` of the results, both None where the labels are more than 50.

    A confusion matrix has a row for each label that was expected and a column for each that was answered, the last
    one for what is no label.
    """
    names = grader.names
    if len(names) > MAX_LABELS:
        return {"labels": None, "confusion": None}
    labels = [
        {"label": shown, "n": tallies["fine_tuned"].expected[name]}
        | {role: rounded(tallies[role].of_label(name)) if role in tallies else None for role in ROLES}
        for name, shown in names.items()
    ]
    matrices = {
        role: _confusion(list(names), cells, 1 + number) if role in tallies else None
        for number, role in enumerate(ROLES)
    }
    return {"labels": labels, "confusion": {"labels": list(names.values()), **matrices}}


def _confusion(names: list[str], cells: Counter[Cell], role: int) -> list[list[int]]:
    column = {name: number for number, name in enumerate(names)}
    matrix = [[0] * (len(names) + 1) for _ in names]
    for cell, rows in cells.items():
        answered = cell[role]
        matrix[column[cell[0]]][len(names) if answered is None else column[answered]] += rows
    return matrix
