"""A PostgreSQL pool that survives a restart of the server: closed connections are renewed and reads retried."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from peewee import InterfaceError, OperationalError, Psycopg3Adapter, Window, fn
from playhouse.pool import PooledPostgresqlDatabase

from shared.database.errors import translated, unavailable

_SETUP_LOCK = 0x54554E45


QUERY_TIMEOUT_S = 10.0
"""For each answer of the server: one that hangs is known after it, while its kernel goes on accepting connections."""

QUERY_TIMEOUT_AGAIN_S = 1.0
"""In its place from an answer that did not come to the next that does: who has waited asks once more, to tidy up."""


class _Connection(psycopg.Connection[Any]):
    """A connection that is given up where the server does not answer."""

    database: PostgresqlDatabase | None = None
    gave_up = False

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        database = self.database
        if database is None:  # it connects, within its own time
            return super().wait(gen, interval, timeout)
        try:
            answer = super().wait(gen, interval, timeout or database.answer_timeout_s())
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == psycopg.pq.TransactionStatus.ACTIVE:
                self.gave_up = database.is_silent = True
                self.pgconn.finish()  # or the rollback would wait as long again
            raise
        database.is_silent = False
        return answer


class _Adapter(Psycopg3Adapter):
    def connect(self, db: Any, **params: Any) -> _Connection:
        connection = _Connection.connect(dbname=db.database, **params)
        connection.database = db
        return connection


class PostgresqlDatabase(PooledPostgresqlDatabase):
    like = "ILIKE"
    row_lock = " FOR UPDATE"
    psycopg3_adapter = _Adapter
    query_timeout_s: float | None = QUERY_TIMEOUT_S
    """Without an answer of the server, until a query fails; None waits for ever, as a migration does."""
    is_silent = False
    """Whether the last answer that was waited for did not come."""

    def answer_timeout_s(self) -> float | None:
        """Return how long the next answer is waited for."""
        if self.query_timeout_s is None or not self.is_silent:
            return self.query_timeout_s
        return min(self.query_timeout_s, QUERY_TIMEOUT_AGAIN_S)

    def _is_closed(self, conn: Any) -> bool:
        """Say whether the driver knows it; the pool's own way asks the server, each time and with the pool locked.

        What has broken unnoticed is found at its first use, and renewed.
        """
        return bool(conn.closed)

    def execute_sql(self, sql: str, params: Any = None) -> Any:
        try:
            return super().execute_sql(sql, params)
        except (OperationalError, InterfaceError) as error:
            # A pooled connection that PostgreSQL closed since (a restart) fails at its first use: a read outside
            # of a transaction has done nothing yet and goes again on a fresh one. A server that is silent would be so
            # again, and whoever asked would wait for longer than the gateway does.
            if self.in_transaction() or self._gave_up() or not sql.lstrip().startswith("SELECT"):
                raise unavailable(error) from error
        self._renew_connection()
        with translated:
            return super().execute_sql(sql, params)

    def begin(self, isolation_level: Any = None) -> None:
        try:
            super().begin(isolation_level)
        except (OperationalError, InterfaceError) as first:
            if self._gave_up():
                raise unavailable(first) from first
            self._renew_connection()
            with translated:
                super().begin(isolation_level)

    def commit(self) -> Any:
        with translated:
            return super().commit()

    def rollback(self) -> Any:
        with translated:
            return super().rollback()

    def _gave_up(self) -> bool:
        return bool(getattr(self._state.conn, "gave_up", False))

    def _renew_connection(self) -> None:
        self.close()
        # What closed one has closed the others that wait in the pool, too.
        self.close_idle()
        with translated:
            self.connect()

    def lock_rows(self, query: Any, *, skip_locked: bool = False) -> Any:
        """Hold the rows that ``query`` finds until the transaction ends; ``skip_locked`` passes over those held."""
        return query.for_update(skip_locked=skip_locked)

    def insert_rows(
        self, table: Any, columns: tuple[str, ...], rows: list[tuple[Any, ...]], conflict: str = ""
    ) -> None:
        """Insert bare rows by COPY, the fastest way into PostgreSQL; with ON CONFLICT by statements sent together."""
        target = f"{table._meta.table_name} ({', '.join(columns)})"
        with translated, self.connection().cursor() as cursor:
            if conflict:
                # One for each row: a single statement may not touch a row twice.
                marks = ", ".join(["%s"] * len(columns))
                cursor.executemany(f"INSERT INTO {target} VALUES ({marks}) {conflict}", rows)
                return
            with cursor.copy(f"COPY {target} FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)

    @contextmanager
    def pipelined(self) -> Iterator[None]:
        """Send a block's statements together; what they did is known at its end, and what one cannot do is raised."""
        with translated, self.connection().pipeline():
            yield

    def rows_within(self, query: Any, order: tuple[Any, ...], text: Any, budget: int) -> tuple[list[Any], bool]:
        """Return an ordered query's rows up to the one whose ``text`` fills the budget of bytes, and if one did."""
        # All that PostgreSQL finds is sent and held before the first row can be looked at, so it does the sum.
        filled = fn.SUM(fn.OCTET_LENGTH(text)).over(order_by=order, start=Window.preceding()).alias("filled")
        inner, values = self.get_sql_context().sql(query.select_extend(filled).order_by(*order)).query()
        within = f"filled - octet_length({text.column_name}) < %s"
        rows = self.execute_sql(f"SELECT * FROM ({inner}) AS page WHERE {within}", [*values, budget]).fetchall()
        return [row[:-1] for row in rows], bool(rows) and rows[-1][-1] >= budget

    def setup_lock(self) -> None:
        """Let one process at a time migrate; the lock goes with the connection."""
        self.execute_sql("SELECT pg_advisory_lock(%s)", (_SETUP_LOCK,))
