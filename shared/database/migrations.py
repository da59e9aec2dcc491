"""Migrations by peewee's own runner: applied by a service's setup, checked by the service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from peewee import SQL, DatabaseProxy
from playhouse.migrations import Runner

from shared.database.connect import Database, connection
from shared.database.sqlite import SqliteDatabase
from shared.errors import Unavailable


def migrate(database: Database, directory: Path) -> list[str]:
    """Apply what is pending of ``directory``, one process at a time; returns the names of what was applied."""
    # Migrations ask which database it is, and a proxy is none.
    real = database.obj if isinstance(database, DatabaseProxy) else database
    with connection(real):
        real.setup_lock()
        return [str(name) for name in Runner(real, str(directory)).up()]


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
    return [SQL("AUTOINCREMENT")] if isinstance(database, SqliteDatabase) else []
