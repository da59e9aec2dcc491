"""Draws a curve as text, in braille dots; pure."""

from __future__ import annotations

import math
from typing import NamedTuple, Sequence, Tuple

Point = Tuple[float, float]
"""Step and value, which may be NaN or infinite."""

BROKEN = "×"
_BLANK = 0x2800
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""The bit of each dot of a braille character, by column and row (Unicode, block Braille Patterns)."""


class Axis(NamedTuple):
    """Maps values to dots: from `low` to `high` by 0 to `last`, in logarithms where `is_log`."""

    low: float
    high: float
    last: int
    is_log: bool = False

    def dot(self, value: float) -> int:
        low, high, at = (
            (math.log10(self.low), math.log10(self.high), math.log10(value))
            if self.is_log
            else (self.low, self.high, value)
        )
        # Halved, for the difference of two finite values need not be one.
        span = high / 2 - low / 2
        share = (at / 2 - low / 2) / span if span else 0.5
        return min(max(round(share * self.last), 0), self.last)


def draw(points: Sequence[Point], *, width: int = 72, height: int = 12, is_log: bool = False) -> list[str]:
    """Return the lines of a chart, its smallest and largest value beside it and its steps below it.

    A value that is not finite, or has no logarithm, is marked × under its step. Without a finite value
    there is no chart.
    """
    good = [(step, value) for step, value in points if _is_drawable(value, is_log)]
    if not good:
        return []
    low, high = min(value for _, value in good), max(value for _, value in good)
    labels = [number(high), number(low)]
    margin = max(len(label) for label in labels)
    columns = max(width - margin - 2, 8)
    steps = [step for step, _ in points]
    across = Axis(min(steps), max(steps), columns * 2 - 1)
    up = Axis(low, high, height * 4 - 1, is_log)
    cells = [[_BLANK] * columns for _ in range(height)]
    before = None
    for step, value in points:
        if not _is_drawable(value, is_log):
            before = None
            continue
        dot = (across.dot(step), up.dot(value))
        for x, y in _line(before or dot, dot):
            cells[height - 1 - y // 4][x // 2] |= _DOTS[x % 2][3 - y % 4]
        before = dot
    rows = ["".join(map(chr, row)) for row in cells]
    names = {0: labels[0], height - 1: labels[1]} if low != high else {height // 2: labels[0]}
    lines = [f"{names.get(at, ''):>{margin}} ┤{row}" for at, row in enumerate(rows)]
    return [*lines, *_below(points, across, margin, columns, is_log)]


def _is_drawable(value: float, is_log: bool) -> bool:
    return math.isfinite(value) and (value > 0 or not is_log)


def _line(start: tuple[int, int], end: tuple[int, int]) -> list[tuple[int, int]]:
    (x0, y0), (x1, y1) = start, end
    count = max(abs(x1 - x0), abs(y1 - y0), 1)
    return [
        (x0 + round((x1 - x0) * at / count), y0 + round((y1 - y0) * at / count)) for at in range(count + 1)
    ]


def _below(points: Sequence[Point], across: Axis, margin: int, columns: int, is_log: bool) -> list[str]:
    marks = [" "] * columns
    for step, value in points:
        if not _is_drawable(value, is_log):
            marks[across.dot(step) // 2] = BROKEN
    first, last = number(across.low), number(across.high)
    gap = max(columns - len(first) - len(last), 1)
    steps = f"{'':>{margin}}  {first}{'':>{gap}}{last if last != first else ''}".rstrip()
    under = f"{'':>{margin}} └{'─' * columns}"
    return [under, *([f"{'':>{margin}}  {''.join(marks)}".rstrip()] if BROKEN in marks else []), steps]


def number(value: float) -> str:
    """Return a value in at most five digits; a whole one below a million as it is."""
    if math.isfinite(value) and value == int(value) and abs(value) < 1_000_000:
        return str(int(value))
    return f"{value:.5g}"
