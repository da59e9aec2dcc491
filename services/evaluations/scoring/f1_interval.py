"""The bootstrap interval of a difference of macro F1 on paired rows; pure."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from services.evaluations.scoring.resampling import Interval, RowCounts, draw_resamples, percentile_interval

Cell = tuple[str, str | None, str | None]
"""What was expected, what the base answered, what the fine-tuned answered; None is an answer that is no label."""


def f1_interval(cells: Mapping[Cell, int]) -> Interval | None:
    """Return the 95 % bootstrap interval of the difference of the macro F1, both models on the same resamples.

    None where every resample has the same difference: an interval of no width would claim what nobody knows.

    In a resample F1 is averaged, as it is in the figures, over the labels that are expected in it.
    """
    # In their own order, so that the same rows give the same interval whichever order they were read in.
    kinds = sorted(cells, key=lambda cell: (cell[0], cell[1] or "", cell[2] or ""))
    sizes = np.array([cells[kind] for kind in kinds], dtype=np.int64)
    labels = {label: number for number, label in enumerate(sorted({expected for expected, _, _ in kinds}))}
    expected = np.array([labels[kind[0]] for kind in kinds])
    roles = [np.array([labels.get(kind[role] or "", -1) for kind in kinds]) for role in (1, 2)]
    differences = []
    for counts in draw_resamples(sizes):
        base, tuned = (macro_f1(counts, expected, answered, len(labels)) for answered in roles)
        differences.append(tuned - base)
    drawn = np.concatenate(differences)
    if np.ptp(drawn) < 1e-12:
        return None
    return percentile_interval(drawn)


def macro_f1(counts: RowCounts, expected: RowCounts, answered: RowCounts, labels: int) -> npt.NDArray[np.float64]:
    """Return the macro F1 of each resample.

    ``counts`` has a row for each resample and a column for each cell; ``expected`` and ``answered`` give for each
    cell the number of its label, from 0 below ``labels``, and -1 for an answer that is none of them. A label's F1 is
    2·right / (expected + answered).
    """
    of_label = _sums(counts, expected, labels)
    given = _sums(counts, answered, labels)
    right = _sums(counts, np.where(expected == answered, expected, -1), labels)
    f1 = 2 * right / np.maximum(of_label + given, 1)
    present = of_label > 0
    averages: npt.NDArray[np.float64] = (f1 * present).sum(axis=1) / present.sum(axis=1)
    return averages


def _sums(counts: RowCounts, group: RowCounts, groups: int) -> RowCounts:
    """Return for each resample the counts of the cells of each group, 0 … ``groups`` - 1; those of -1 are left out."""
    order = np.argsort(group, kind="stable")
    sums = np.zeros((len(counts), groups), dtype=np.int64)
    found, starts = np.unique(group[order], return_index=True)
    totals = np.add.reduceat(counts[:, order], starts, axis=1)
    kept = found >= 0
    sums[:, found[kept]] = totals[:, kept]
    return sums
