"""SQLite or PostgreSQL behind peewee, safe under gevent and among several processes."""

from __future__ import annotations

import functools
import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

import psycopg
from peewee import SQL, BigIntegerField, DatabaseProxy, InterfaceError, OperationalError, TextField, Window, fn
from playhouse.migrations import Runner
from playhouse.pool import MaxConnectionsExceeded, PooledPostgresqlDatabase, PooledSqliteDatabase

from shared.errors import Unavailable
from shared.settings import SettingsError

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

POOL_SIZE = 20
POOL_WAIT_S = 5
LOCK_WAIT_S = 5.0
"""How long a writer waits for SQLite's one write lock before it answers 503."""

_BUSY_TIMEOUT_MS = 50
"""SQLite's own wait holds up the whole process (it blocks the gevent hub), so it is short and we wait beside it."""

_SETUP_LOCK = 0x54554E45

_ROWS_AT_ONCE = 20
"""A loop of Python over each row of a long read would take as long as SQLite does to find it."""

_ROWS_A_STATEMENT = 100
"""SQLite takes 100 rows in one statement in 0.6 of the time of 100 statements."""

_DRIVER_ERRORS = (sqlite3.OperationalError, psycopg.OperationalError, psycopg.InterfaceError)
"""What the drivers raise where we call them without peewee in between."""


class _SqliteDatabase(PooledSqliteDatabase):
    row_lock = ""
    """What a plain SELECT ends with to hold its rows: nothing, for BEGIN IMMEDIATE holds every row already."""

    def execute_sql(self, sql: str, params: Any = None) -> Any:
        return self._once_unlocked(lambda: super(_SqliteDatabase, self).execute_sql(sql, params))

    def begin(self, lock_type: str | None = None) -> None:
        # peewee runs BEGIN past execute_sql.
        self._once_unlocked(lambda: super(_SqliteDatabase, self).begin(lock_type))

    def commit(self) -> Any:
        with _translated():  # a full disk shows here
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
                    raise Unavailable(f"The database does not answer: {error}.") from error
                time.sleep(0.01)

    def lock_rows(self, query: Any) -> Any:
        """BEGIN IMMEDIATE holds every row already."""
        return query

    def lock_free_rows(self, query: Any) -> Any:
        """BEGIN IMMEDIATE holds every row already, and nobody else holds one."""
        return query

    def insert_rows(self, table: Any, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
        """Insert bare rows; peewee's own insert_many makes a thousand query nodes for a thousand rows."""
        insert = f"INSERT INTO {table._meta.table_name} ({', '.join(columns)}) VALUES "
        marks = f"({', '.join('?' for _ in columns)})"
        whole = len(rows) - len(rows) % _ROWS_A_STATEMENT
        with _translated():
            cursor = self.connection().cursor()
            for start in range(0, whole, _ROWS_A_STATEMENT):
                values = list(chain.from_iterable(rows[start : start + _ROWS_A_STATEMENT]))
                cursor.execute(insert + ", ".join([marks] * _ROWS_A_STATEMENT), values)
            cursor.executemany(insert + marks, rows[whole:])

    def rows_within(self, query: Any, order: tuple[Any, ...], text: Any, budget: int) -> tuple[list[Any], bool]:
        """Return an ordered query's rows up to the one whose ``text`` fills the budget of bytes, and if one did."""
        place = [column.name for column in query.selected_columns].index(text.name)
        rows: list[Any] = []
        # SQLite finds a row when it is asked for it, so of what is left out only a few were read.
        with _translated(), closing(self.execute(query.order_by(*order))) as cursor:
            while some := cursor.fetchmany(_ROWS_AT_ONCE):
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


class _PostgresqlDatabase(PooledPostgresqlDatabase):
    row_lock = " FOR UPDATE"

    def execute_sql(self, sql: str, params: Any = None) -> Any:
        try:
            return super().execute_sql(sql, params)
        except (OperationalError, InterfaceError) as error:
            # A pooled connection that PostgreSQL closed since (a restart) fails at its first use: a read outside
            # of a transaction has done nothing yet and goes again on a fresh one.
            if self.in_transaction() or not sql.lstrip().startswith("SELECT"):
                raise _unavailable(error) from error
        self._renew_connection()
        try:
            return super().execute_sql(sql, params)
        except (OperationalError, InterfaceError) as error:
            raise _unavailable(error) from error

    def begin(self, isolation_level: Any = None) -> None:
        try:
            super().begin(isolation_level)
        except (OperationalError, InterfaceError):
            self._renew_connection()
            try:
                super().begin(isolation_level)
            except (OperationalError, InterfaceError) as error:
                raise _unavailable(error) from error

    def commit(self) -> Any:
        try:
            return super().commit()
        except (OperationalError, InterfaceError) as error:
            raise _unavailable(error) from error

    def rollback(self) -> Any:
        try:
            return super().rollback()
        except (OperationalError, InterfaceError) as error:
            raise _unavailable(error) from error

    def _renew_connection(self) -> None:
        self.close()
        # What closed one has closed the others that wait in the pool, too.
        self.close_idle()
        with _translated():
            self.connect()

    def lock_rows(self, query: Any) -> Any:
        """Hold the rows that ``query`` finds until the transaction ends."""
        return query.for_update()

    def lock_free_rows(self, query: Any) -> Any:
        """As ``lock_rows``, passing over the rows that another transaction holds."""
        return query.for_update(skip_locked=True)

    def insert_rows(self, table: Any, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
        """Insert bare rows by COPY, the fastest way into PostgreSQL."""
        with _translated(), self.connection().cursor() as cursor:
            with cursor.copy(f"COPY {table._meta.table_name} ({', '.join(columns)}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)

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


Database = _SqliteDatabase | _PostgresqlDatabase | DatabaseProxy


def open_database(url: str) -> Database:
    """Return the database of ``sqlite:///path`` or ``postgresql://user:password@host:port/name``.

    The SQLite path is relative as ``sqlite:///logs.db`` and absolute as ``sqlite:////var/logs.db``. Nothing is
    connected to yet.
    """
    parts = urlsplit(url)
    if parts.scheme == "sqlite" and not parts.netloc and len(parts.path) > 1:
        path = Path(unquote(parts.path[1:]))
        return _SqliteDatabase(
            path,
            pragmas={
                "journal_mode": "wal",
                "synchronous": "full",
                "foreign_keys": 1,
                "cache_size": -16_000,
                "busy_timeout": _BUSY_TIMEOUT_MS,
            },
            timeout=POOL_WAIT_S,
            max_connections=POOL_SIZE,
            lock_type="IMMEDIATE",
            autoconnect=False,
            check_same_thread=False,
        )
    if parts.scheme in ("postgresql", "postgres") and len(parts.path) > 1:
        options: dict[str, Any] = {"connect_timeout": 3} | dict(parse_qsl(parts.query))
        named = {"host": parts.hostname, "user": parts.username, "password": parts.password}
        options |= {name: unquote(value) for name, value in named.items() if value is not None}
        if parts.port is not None:
            options["port"] = parts.port
        return _PostgresqlDatabase(
            unquote(parts.path[1:]),
            timeout=POOL_WAIT_S,
            max_connections=POOL_SIZE,
            autoconnect=False,
            prefer_psycopg3=True,
            **options,
        )
    raise SettingsError(f"DATABASE_URL={url!r}: must be sqlite:///path or postgresql://user:password@host/name")


@contextmanager
def connection(database: Database) -> Iterator[None]:
    """Hold a connection for a block: the one that an outer block holds, else one of the pool's, given back at the end.

    No streamed body holds one: each of its reads is a short block of its own.
    """
    if not database.is_closed():
        yield
        return
    with _translated():
        database.connect()
    try:
        yield
    finally:
        database.close()


def connected_to(
    database: Database,
) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]:
    """Make the decorator that runs a function inside of ``connection(database)``."""

    def decorate(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        @functools.wraps(function)
        def run_connected(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
            with connection(database):
                return function(*args, **kwargs)

        return run_connected

    return decorate


def tuples(query: Any) -> list[tuple[Any, ...]]:
    """Run a peewee query and return its rows as bare tuples."""
    return list(query.tuples())


def execute_many(database: Any, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Run a statement for each of the rows; PostgreSQL is sent them together and waited for once."""
    with _translated(), closing(database.connection().cursor()) as cursor:
        cursor.executemany(statement, rows)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, *_DRIVER_ERRORS) as error:
        raise _unavailable(error) from error
    except MaxConnectionsExceeded as error:
        raise Unavailable("Every database connection is in use.") from error


def _unavailable(error: Exception) -> Unavailable:
    return Unavailable(f"The database does not answer: {str(error).strip()}.")


def _is_locked(error: OperationalError) -> bool:
    return "locked" in str(error) or "busy" in str(error)


def migrate(database: Database, directory: Path) -> list[str]:
    """Apply what is pending of ``directory``, one process at a time; returns the names of what was applied."""
    with connection(database):
        database.setup_lock()
        return [str(name) for name in Runner(database, str(directory)).up()]


def require_migrated(database: Database, directory: Path) -> None:
    """Raise Unavailable while a migration of ``directory`` is pending: a service checks, it never migrates."""
    with connection(database):
        pending = [migration.name for migration in Runner(database, str(directory)).status() if not migration.applied]
    if pending:
        raise Unavailable(f"The tables are not set up: {', '.join(pending)} is pending.")


def never_reused(database: Database) -> list[Any]:
    """Return the constraints of a primary key that no row gets twice, not even after a delete (for migrations).

    PostgreSQL's sequences never go back; SQLite gives the last key again unless told AUTOINCREMENT.
    """
    return [SQL("AUTOINCREMENT")] if isinstance(database, _SqliteDatabase) else []


class TimeField(BigIntegerField):
    """A time as microseconds since 1970 in UTC; an aware datetime in Python. Exact and ordered on both databases."""

    def db_value(self, value: datetime | None) -> int | None:
        return None if value is None else to_micros(value)

    def python_value(self, value: int | None) -> datetime | None:
        return None if value is None else from_micros(value)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_micros(value: datetime) -> int:
    """Return the microseconds since 1970 of an aware datetime."""
    return (value - _EPOCH) // timedelta(microseconds=1)


def from_micros(value: int) -> datetime:
    """Return the aware UTC datetime of so many microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=value)


class JSONField(TextField):
    """A JSON value as text, its keys in the order they came (PostgreSQL's jsonb would sort them)."""

    def db_value(self, value: Any) -> str | None:
        return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    def python_value(self, value: str | None) -> Any:
        return None if value is None else json.loads(value)
