"""Queries in short: bare rows, one row or a 404, a row changed, and the values of many statements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from shared.errors import NotFound

Value = TypeVar("Value")

VALUES_A_STATEMENT = 500


def get_or_404(query: Any, what: str) -> Any:
    """Return the one row that a peewee query finds, or raise NotFound: "There is no <what>."."""
    row = query.get_or_none()
    if row is None:
        raise NotFound(f"There is no {what}.")
    return row


def tuples(query: Any) -> list[tuple[Any, ...]]:
    """Run a peewee query and return its rows as bare tuples."""
    return list(query.tuples())


def update_row(row: Any, **values: Any) -> None:
    """Set fields of a row that was read, and save it."""
    for name, value in values.items():
        setattr(row, name, value)
    row.save()


def slices(values: Sequence[Value], size: int = VALUES_A_STATEMENT) -> Iterator[Sequence[Value]]:
    """Yield the values in slices of ``size`` at most, each for a statement of its own."""
    for start in range(0, len(values), size):
        yield values[start : start + size]
