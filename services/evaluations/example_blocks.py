"""Reads an evaluation's examples in the order of their rows, in blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from services.evaluations.tables import Example, connected
from shared.database.queries import tuples
from shared.pacing import yield_turn


def read_blocks(
    evaluation_id: int, columns: Sequence[Any], size: int, wanted: Any = Example.done
) -> Iterator[list[tuple[Any, ...]]]:
    """Yield blocks of ``size`` of the finished examples, or of those ``wanted``: the row's number, and the columns.

    Each is a short read of its own, and others have a turn in between.
    """
    last = -1
    while block := _read_block(evaluation_id, columns, size, wanted, last):
        yield block
        last = block[-1][0]
        yield_turn()


@connected
def _read_block(evaluation_id: int, columns: Sequence[Any], size: int, wanted: Any, last: int) -> list[tuple[Any, ...]]:
    later = (Example.evaluation_id == evaluation_id) & (Example.row > last)
    query = Example.select(Example.row, *columns).where(later, wanted)
    return tuples(query.order_by(Example.evaluation_id, Example.row).limit(size))
