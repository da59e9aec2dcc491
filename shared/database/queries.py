"""Queries in short: bare rows, one row or a 404, and one statement for many rows."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Any

from shared.database.errors import translated
from shared.errors import NotFound


def get_or_404(query: Any, what: str) -> Any:
    """Return the one row that a peewee query finds, or raise NotFound: "There is no <what>."."""
    row = query.get_or_none()
    if row is None:
        raise NotFound(f"There is no {what}.")
    return row


def tuples(query: Any) -> list[tuple[Any, ...]]:
    """Run a peewee query and return its rows as bare tuples."""
    return list(query.tuples())


def execute_many(database: Any, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Run a statement for each of the rows; PostgreSQL is sent them together and waited for once."""
    with translated(), closing(database.connection().cursor()) as cursor:
        cursor.executemany(statement, rows)
