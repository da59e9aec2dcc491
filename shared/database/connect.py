"""Connections: a database by its URL, and a connection of its pool for the time of a block or a call."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from peewee import DatabaseProxy

from shared.database.errors import translated
from shared.database.postgresql import PostgresqlDatabase
from shared.database.sqlite import BUSY_TIMEOUT_MS, SqliteDatabase
from shared.settings import SettingsError
from shared.telemetry.metrics import database_wait_seconds

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

POOL_SIZE = 20
POOL_WAIT_S = 5
_NO_WAIT_S = 0.01
_PROBLEM = "DATABASE_URL: must be sqlite:///path or postgresql://user:password@host/name"

Database = SqliteDatabase | PostgresqlDatabase | DatabaseProxy


def open_database(url: str) -> Database:
    """Return the database of ``sqlite:///path`` or ``postgresql://user:password@host:port/name``.

    The SQLite path is relative as ``sqlite:///logs.db`` and absolute as ``sqlite:////var/logs.db``. Nothing is
    connected to yet.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:  # a port that is no number, or a bracket without its fellow
        raise SettingsError(_PROBLEM) from error
    if parts.scheme == "sqlite" and not parts.netloc and len(parts.path) > 1:
        path = Path(unquote(parts.path[1:]))
        return SqliteDatabase(
            path,
            pragmas={
                "journal_mode": "wal",
                "synchronous": "full",
                "foreign_keys": 1,
                "cache_size": -4_000,
                "busy_timeout": BUSY_TIMEOUT_MS,
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
        if port is not None:
            options["port"] = port
        return PostgresqlDatabase(
            unquote(parts.path[1:]),
            timeout=POOL_WAIT_S,
            max_connections=POOL_SIZE,
            autoconnect=False,
            prefer_psycopg3=True,
            **options,
        )
    raise SettingsError(_PROBLEM)


class connection:
    """Holds a connection for a block: the one that an outer block holds, else one of the pool's, given back at the end.

    No streamed body holds one: each of its reads is a short block of its own.
    """

    __slots__ = ("_database", "_is_outer")

    def __init__(self, database: Database) -> None:
        self._database = database
        self._is_outer = False

    def __enter__(self) -> None:
        if not self._database.is_closed():
            return
        began = time.monotonic()
        with translated:
            self._database.connect()
        self._is_outer = True
        waited_s = time.monotonic() - began
        if waited_s > _NO_WAIT_S:
            database_wait_seconds.inc(waited_s)

    def __exit__(self, *raised: object) -> None:
        if self._is_outer:
            self._database.close()


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
