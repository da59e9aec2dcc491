"""The bootstrap (Efron 1979, Annals of Statistics 7:1-26): resamples of rows, and the percentile interval; pure."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

ALPHA = 0.05
RESAMPLES = 10_000
SEED = 0

_BLOCK = 2**20
"""So many counts are drawn at once: a few MiB, however many kinds of rows there are."""

Interval = tuple[float, float]
RowCounts = npt.NDArray[np.int64]


def draw_resamples(sizes: RowCounts) -> Iterator[RowCounts]:
    """Yield 10,000 resamples with a fixed seed, some thousands at once: a row for each, a column for each kind of rows.

    Rows that are alike in all that counts, ``sizes`` of each kind, are drawn together, as multinomial counts: the same
    distribution as that of rows drawn with replacement, at a cost that does not grow with the rows.
    """
    n, draw = int(sizes.sum()), np.random.default_rng(SEED)
    at_once = max(1, _BLOCK // len(sizes))
    for start in range(0, RESAMPLES, at_once):
        yield draw.multinomial(n, sizes / n, size=min(at_once, RESAMPLES - start))


def percentile_interval(drawn: npt.NDArray[np.float64]) -> Interval:
    """Return the 95 % interval of what each resample gave."""
    low, high = np.quantile(drawn, (ALPHA / 2, 1 - ALPHA / 2))
    return float(low), float(high)


def rounded(interval: Interval | None) -> list[float] | None:
    """Return an interval as it is shown."""
    return None if interval is None else [round(bound, 4) for bound in interval]
