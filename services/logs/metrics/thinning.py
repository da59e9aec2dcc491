"""Thins a curve to so many points, so that no spike is lost; pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


class Point(NamedTuple):
    """A value at a step; ``timestamp`` is microseconds since 1970, ``line`` the number of the line that says it."""

    step: int
    value: float
    timestamp: int
    line: int | None


def thin(points: Sequence[Point], most: int) -> list[Point]:
    """Return at most ``most`` of the points: the first, the last, and the smallest and largest of each stretch.

    Every point that is not finite is there besides, however many these are: a divergence is what people look for.
    """
    if len(points) <= most:
        return list(points)
    stretches = max(1, (most - 2) // 2)
    kept = {0, len(points) - 1}
    for stretch in range(stretches):
        start, stop = len(points) * stretch // stretches, len(points) * (stretch + 1) // stretches
        finite = [index for index in range(start, stop) if math.isfinite(points[index].value)]
        kept.update(index for index in range(start, stop) if not math.isfinite(points[index].value))
        if finite:
            kept.add(min(finite, key=lambda index: points[index].value))
            kept.add(max(finite, key=lambda index: points[index].value))
    return [points[index] for index in sorted(kept)]
