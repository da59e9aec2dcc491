"""Thins a curve to so many points, so that no spike is lost; pure."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence


def thin(values: Sequence[float], most: int) -> list[int]:
    """Return which of the values to show, by their indices in order: at most ``most`` and all that are not finite.

    The first, the last, and the smallest and largest of each stretch are among them. A divergence is what people look
    for, so that however many values are not finite, all of them are shown.
    """
    if len(values) <= most:
        return list(range(len(values)))
    odd = [index for index, value in enumerate(values) if not math.isfinite(value)]
    kept = {0, len(values) - 1, *odd}
    stretches = max(1, (most - 2) // 2)
    for stretch in range(stretches):
        start, stop = len(values) * stretch // stretches, len(values) * (stretch + 1) // stretches
        part = values[start:stop]
        first = bisect_left(odd, start)
        if first < len(odd) and odd[first] < stop:
            part = [value for value in part if math.isfinite(value)]
        if part:
            kept.add(values.index(min(part), start, stop))
            kept.add(values.index(max(part), start, stop))
    return sorted(kept)
