"""Dumps of databases that are in use, and their way back: SQLite by its backup API, PostgreSQL by pg_dump."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg

from shared.settings import SettingsError

_LOCK_WAIT_S = 30.0

Read = Callable[[str], list[tuple[Any, ...]]]
"""Runs a query on what was dumped, as it was at that moment."""


@contextmanager
def dumped(url: str, file: Path) -> Iterator[Read]:
    """Dump a database into a file, all of it as of one moment, and give what reads from that for a block."""
    draft = file.with_name(f"{file.name}.draft")
    draft.unlink(missing_ok=True)
    dump = _dumped_sqlite if url.startswith("sqlite:") else _dumped_postgresql
    with dump(url, draft) as read:
        yield read
    draft.replace(file)


@contextmanager
def _dumped_sqlite(url: str, draft: Path) -> Iterator[Read]:
    with closing(_open_sqlite(url)) as source, closing(sqlite3.connect(draft)) as target:
        source.backup(target)  # at one go: a reader holds nobody up
        # One file: the journal of a copy that nobody writes is of no use.
        target.execute("PRAGMA journal_mode = DELETE")
        yield lambda sql: target.execute(sql).fetchall()


@contextmanager
def _dumped_postgresql(url: str, draft: Path) -> Iterator[Read]:
    with psycopg.connect(url) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        row = connection.execute("SELECT pg_export_snapshot()").fetchone()
        assert row is not None
        _run("pg_dump", "--format=custom", f"--snapshot={row[0]}", f"--file={draft}", f"--dbname={url}")
        yield lambda sql: connection.execute(sql).fetchall()


def load_dump(url: str, file: Path) -> None:
    """Put a dump in the place of what a database has, all of it or nothing; it may be in use."""
    if url.startswith("sqlite:"):
        with closing(sqlite3.connect(file)) as source, closing(_open_sqlite(url)) as target:
            source.backup(target)
        return
    _run(*("pg_restore", "--clean", "--if-exists", "--no-owner", "--single-transaction", f"--dbname={url}", str(file)))


def write(url: str, sql: str, rows: list[tuple[Any, ...]]) -> None:
    """Run a statement, with ``?`` for its values, once for each row, in one transaction."""
    if url.startswith("sqlite:"):
        with closing(_open_sqlite(url)) as connection, connection:
            connection.executemany(sql, rows)
        return
    with psycopg.connect(url) as server, server.cursor() as cursor:
        cursor.executemany(sql.replace("?", "%s"), rows)


def _open_sqlite(url: str) -> sqlite3.Connection:
    return sqlite3.connect(url.removeprefix("sqlite:///"), timeout=_LOCK_WAIT_S)


def _run(program: str, *arguments: str) -> None:
    path = shutil.which(program)
    if path is None:
        raise SettingsError(f"{program} is needed, of the server's version or newer (Debian: postgresql-client)")
    done = subprocess.run([path, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SettingsError(f"{program} failed: {done.stderr.strip()}")
