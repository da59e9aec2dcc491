"""SQLite for several processes and greenlets: short waits for the write lock, and errors that carry a status."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from functools import lru_cache
from itertools import chain
from typing import Any

from peewee import OperationalError
from playhouse.pool import PooledSqliteDatabase

from shared.database.errors import translated, unavailable
from shared.telemetry.metrics import database_wait_seconds

LOCK_WAIT_S = 5.0
"""How long a writer waits for SQLite's one write lock before it answers 503."""

BUSY_TIMEOUT_MS = 50
"""SQLite's own wait holds up the whole process (it blocks the gevent hub), so it is short and we wait beside it."""

_LOOK_AGAIN_S = 0.01

_ROWS_A_FETCH = 20
"""A loop of Python over each row of a long read would take as long as SQLite does to find it."""

_ROWS_A_STATEMENT = 100
"""SQLite takes 100 rows in one statement in 0.6 of the time of 100 statements."""


class SqliteDatabase(PooledSqliteDatabase):
    like = "LIKE"
    """Compares in any case, of ASCII alone."""
    query_timeout_s: float | None = None
    """There is no server that could hang."""
    row_lock = ""
    """What a plain SELECT ends with to hold its rows: nothing, for BEGIN IMMEDIATE holds every row already."""

    def execute_sql(self, sql: str, params: Any = None) -> Any:
        return self._once_unlocked(lambda: super(SqliteDatabase, self).execute_sql(sql, params))

    def begin(self, lock_type: str | None = None) -> None:
        # peewee runs BEGIN past execute_sql.
        self._once_unlocked(lambda: super(SqliteDatabase, self).begin(lock_type))

    def commit(self) -> Any:
        with translated:  # a full disk shows here
            return super().commit()

    def rollback(self) -> Any:
        # Where the disk is full SQLite has rolled back by itself, and a second time is an error.
        return super().rollback() if self.connection().in_transaction else None

    def _once_unlocked(self, run: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + LOCK_WAIT_S
        # Inside a transaction the lock is ours already, so only BEGIN and lone statements wait here.
        waits = not self.in_transaction()
        while True:
            try:
                return run()
            except OperationalError as error:
                if not _is_locked(error) or not waits or time.monotonic() > deadline:
                    raise unavailable(error) from error
                time.sleep(_LOOK_AGAIN_S)
                database_wait_seconds.inc(_LOOK_AGAIN_S)

    def lock_rows(self, query: Any, *, skip_locked: bool = False) -> Any:
        """BEGIN IMMEDIATE holds every row already, and nobody else holds one."""
        return query

    def insert_rows(
        self, table: Any, columns: tuple[str, ...], rows: list[tuple[Any, ...]], conflict: str = ""
    ) -> None:
        """Insert bare rows in their order; peewee's own insert_many makes a thousand query nodes for a thousand rows.

        ``conflict`` is the ON CONFLICT clause of an upsert.
        """
        many, one = _insert_statements(table._meta.table_name, columns, conflict)
        whole = len(rows) - len(rows) % _ROWS_A_STATEMENT
        with translated:
            cursor = self.connection().cursor()
            for start in range(0, whole, _ROWS_A_STATEMENT):
                cursor.execute(many, list(chain.from_iterable(rows[start : start + _ROWS_A_STATEMENT])))
            if whole < len(rows):
                cursor.executemany(one, rows[whole:])

    def pipelined(self) -> AbstractContextManager[None]:
        """There is no server to send statements to."""
        return nullcontext()

    def rows_within(self, query: Any, order: tuple[Any, ...], text: Any, budget: int) -> tuple[list[Any], bool]:
        """Return an ordered query's rows up to the one whose ``text`` fills the budget of bytes, and if one did."""
        place = [column.name for column in query.selected_columns].index(text.name)
        rows: list[Any] = []
        # SQLite finds a row when it is asked for it, so of what is left out only a few were read.
        with translated, closing(self.execute(query.order_by(*order))) as cursor:
            while some := cursor.fetchmany(_ROWS_A_FETCH):
                left = budget - sum([len(row[place]) for row in some])
                if left <= 0:
                    break
                rows += some
                budget = left
        for row in some:
            rows.append(row)
            budget -= len(row[place])
            if budget <= 0:
                return rows, True
        return rows, False

    def setup_lock(self) -> None:
        """One file is set up by one process."""


@lru_cache(64)
def _insert_statements(table: str, columns: tuple[str, ...], conflict: str) -> tuple[str, str]:
    """Return the statements that insert ``_ROWS_A_STATEMENT`` rows, and one."""
    insert, marks = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ", f"({', '.join('?' for _ in columns)})"
    return f"{insert}{', '.join([marks] * _ROWS_A_STATEMENT)} {conflict}", f"{insert}{marks} {conflict}"


def _is_locked(error: OperationalError) -> bool:
    return "locked" in str(error) or "busy" in str(error)
